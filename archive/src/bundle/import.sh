#!/bin/sh
# Unpacks a bundle into an OCI image layout: sh import.sh LAYOUT [FOLDER ...]
set -eu

if [ $# -lt 1 ]; then
    echo "usage: sh import.sh LAYOUT [FOLDER ...]" >&2
    exit 2
fi
case $0 in
*/*) bundle=$(cd "${0%/*}" && pwd) ;;
*) bundle=$(pwd) ;;
esac
layout=$1
shift
mkdir -p "$layout"
layout=$(cd "$layout" && pwd)

# The folder of a file of the bundle.
find_file() {
    name=$1
    shift
    for folder in "$bundle" "$@"; do
        if [ -f "$folder/$name" ]; then
            echo "$folder"
            return 0
        fi
    done
    echo "$name is in none of the folders: give the folder that has it as a further argument" >&2
    return 1
}

# All sums are checked before anything is unpacked.
while read -r sum name; do
    folder=$(find_file "$name" "$@")
    (cd "$folder" && echo "$sum  $name" | sha256sum -c -)
done <"$bundle/SHA256SUMS"

if [ -f "$layout/index.json" ]; then
    cat "$layout/index.json" >"$layout/index.json.old"
fi
while read -r sum name; do
    case $name in
    vol-*.tar)
        folder=$(find_file "$name" "$@")
        tar -x -f "$folder/$name" -C "$layout"
        rm -f "$layout/bundle-${name%.tar}"
        ;;
    esac
done <"$bundle/SHA256SUMS"

# Blobs that were larger than a volume are joined, and checked as a whole.
for first in "$layout"/blobs/*/*.part-0001; do
    if [ ! -f "$first" ]; then
        continue
    fi
    blob=${first%.part-0001}
    cat "$blob".part-* >"$blob"
    hex=${blob##*/}
    case $blob in
    */blobs/sha256/*) echo "$hex  $blob" | sha256sum -c - ;;
    esac
    rm -f "$blob".part-*
done

# What the other side was said to have.
missing=0
in_required=no
while read -r line; do
    case $line in
    '"required":['*) in_required=yes ;;
    '{"digest":"'*)
        if [ $in_required = yes ]; then
            digest=${line#'{"digest":"'}
            digest=${digest%%'"'*}
            if [ ! -f "$layout/blobs/${digest%%:*}/${digest#*:}" ]; then
                echo "missing: $digest" >&2
                missing=$((missing + 1))
            fi
        fi
        ;;
    esac
done <"$bundle/BUNDLE.json"
if [ "$missing" -gt 0 ]; then
    echo "$missing blobs are neither in the bundle nor in $layout" >&2
    exit 1
fi
echo "$layout is complete"
