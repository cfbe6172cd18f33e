#!/bin/sh
# Installs transload from a release bundle, or removes it. It needs no network and no package manager.
#
# It stands in the bundle, and beside the bundle's archive:
#
#     sh install.sh                     into /usr/local
#     sh install.sh --prefix ~/.local   into another folder
#     sh install.sh --uninstall         removes what it installed, and nothing else
#
# Every file is checked against SHA256SUMS before anything is installed.
set -eu
umask 022

usage() {
    cat <<'TEXT'
usage: sh install.sh [--prefix FOLDER] [ARCHIVE.tar.gz]
       sh install.sh [--prefix FOLDER] --uninstall

Installs transload into FOLDER/bin and FOLDER/share (/usr/local if no other is named): from the bundle that this script is
in, or from the archive (the one beside this script for this kind of machine, if none is named). Files are checked against
SHA256SUMS first. A newer version replaces an older one.
TEXT
}

fail() {
    echo "install.sh: $*" >&2
    exit 1
}

wrong_usage() {
    echo "install.sh: $*" >&2
    usage >&2
    exit 2
}

# The SHA-256 of a file, in hexadecimal digits.
sum_of() {
    if command -v sha256sum >/dev/null; then
        sha256sum <"$1"
    elif command -v shasum >/dev/null; then
        shasum -a 256 <"$1"
    else
        fail "neither sha256sum nor shasum is there to check the files with"
    fi | cut -d ' ' -f 1
}

# Checks a file against its line in a list of sums.
check() {
    [ -f "$2" ] || fail "$2 is missing. Nothing was installed"
    [ "$(sum_of "$2")" = "$1" ] ||
        fail "$2 isn't what was released: its SHA-256 differs from SHA256SUMS. Nothing was installed; fetch the bundle again"
}

prefix=/usr/local
archive=
uninstall=no
while [ $# -gt 0 ]; do
    case $1 in
    --prefix)
        [ $# -ge 2 ] || wrong_usage "--prefix takes a folder"
        prefix=$2
        shift
        ;;
    --prefix=*) prefix=${1#--prefix=} ;;
    --uninstall) uninstall=yes ;;
    -h | --help)
        usage
        exit 0
        ;;
    -*) wrong_usage "there is no option $1" ;;
    *)
        [ -z "$archive" ] || wrong_usage "one archive, not two"
        archive=$1
        ;;
    esac
    shift
done
[ -n "$prefix" ] || wrong_usage "--prefix takes a folder"
case $prefix in
/*) ;;
*) prefix=$(pwd)/$prefix ;;
esac
while [ "${prefix%/}" != "$prefix" ] && [ "$prefix" != / ]; do
    prefix=${prefix%/}
done

# What was installed, one a line: "f FILE" and "d FOLDER" (one that wasn't there before), below the prefix.
list=$prefix/share/transload/installed

# Removes folders that a list names, the innermost first, where nothing is in them.
remove_folders() {
    sed -n 's/^d //p' "$1" | sort -r | while IFS= read -r folder; do
        rmdir "$prefix/$folder" 2>/dev/null || :
    done
}

if [ "$uninstall" = yes ]; then
    [ -z "$archive" ] || wrong_usage "--uninstall takes no archive"
    [ -f "$list" ] || fail "nothing is installed in $prefix by this script ($list isn't there)"
    [ -w "$list" ] || fail "$prefix can't be written: run this as root (sudo sh install.sh --uninstall)"
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    cp "$list" "$work/list"
    sed -n 's/^f //p' "$work/list" >"$work/files"
    while IFS= read -r file; do
        rm -f "$prefix/$file"
    done <"$work/files"
    rm -f "$list"
    remove_folders "$work/list"
    echo "transload is removed from $prefix"
    exit 0
fi

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

if [ -z "$archive" ] && [ -f "$here/bin/transload" ]; then
    bundle=$here
else
    if [ -z "$archive" ]; then
        for found in "$here"/transload-*-"$(uname -m)"-*.tar.gz; do
            [ -f "$found" ] || fail "no bundle for this machine ($(uname -m)) is in $here: name its archive"
            [ -z "$archive" ] || fail "several bundles are in $here: name one"
            archive=$found
        done
    fi
    [ -f "$archive" ] || fail "$archive isn't there"
    sums=$(dirname "$archive")/SHA256SUMS
    [ -f "$sums" ] || fail "SHA256SUMS isn't beside $archive: without it nobody can tell whether it is whole"
    expected=$(awk -v name="$(basename "$archive")" '$2 == name { print $1 }' "$sums")
    [ -n "$expected" ] || fail "$sums doesn't tell of $(basename "$archive")"
    check "$expected" "$archive"
    gzip -dc "$archive" >"$work/bundle.tar"
    tar -xf "$work/bundle.tar" -C "$work"
    rm "$work/bundle.tar"
    bundle=$(echo "$work"/transload-*)
fi

[ -f "$bundle/SHA256SUMS" ] || fail "$bundle/SHA256SUMS is missing. Nothing was installed"
while read -r sum path; do
    case /$path/ in
    */../*) fail "SHA256SUMS names $path, which is outside of the bundle. Nothing was installed" ;;
    esac
    check "$sum" "$bundle/$path"
done <"$bundle/SHA256SUMS"
sed 's/^[0-9a-f]*  //' "$bundle/SHA256SUMS" | grep -E '^(bin|share)/' >"$work/files"

mkdir -p "$prefix" 2>/dev/null || :
[ -w "$prefix" ] ||
    fail "$prefix can't be written: run this as root (sudo sh install.sh), or choose another folder (--prefix ~/.local)"

# What an earlier version installed is known until the new one is whole, so that --uninstall works whatever happens here.
: >"$work/old"
[ ! -f "$list" ] || cp "$list" "$work/old"
{
    cat "$work/old"
    sed 's/^/f /' "$work/files"
    { cat "$work/files" && echo share/transload/installed; } | while IFS= read -r path; do
        folder=$(dirname "$path")
        while [ "$folder" != . ] && [ ! -d "$prefix/$folder" ]; do
            echo "d $folder"
            folder=$(dirname "$folder")
        done
    done
} | sort -u >"$work/both"
mkdir -p "$(dirname "$list")"
cp "$work/both" "$list"

while IFS= read -r path; do
    mkdir -p "$(dirname "$prefix/$path")"
    # By a new name first, so that a running transload isn't written into.
    cp "$bundle/$path" "$prefix/$path.new"
    case $path in
    bin/*) chmod 755 "$prefix/$path.new" ;;
    *) chmod 644 "$prefix/$path.new" ;;
    esac
    mv -f "$prefix/$path.new" "$prefix/$path"
done <"$work/files"

# What only the earlier version had.
sed -n 's/^f //p' "$work/old" >"$work/old-files"
grep -F -x -v -f "$work/files" "$work/old-files" >"$work/gone" || :
while IFS= read -r path; do
    rm -f "$prefix/$path"
    rmdir "$prefix/$(dirname "$path")" 2>/dev/null || :
done <"$work/gone"
{
    sed 's/^/f /' "$work/files"
    grep '^d ' "$work/both" || :
} | sort -u >"$list.new"
mv -f "$list.new" "$list"

echo "$("$prefix/bin/transload" --version) is installed in $prefix"
case :$PATH: in
*:"$prefix/bin":*) ;;
*) echo "Add it to your PATH: export PATH=\"$prefix/bin:\$PATH\"" ;;
esac
