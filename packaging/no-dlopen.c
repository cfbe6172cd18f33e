/*
 * No library is ever loaded into the released program.
 *
 * A static program of the GNU C library still loads libraries at run time where /etc/nsswitch.conf names a service of the system for
 * the lookup of hosts (myhostname, resolve, mdns4_minimal and others). Such a library was made for the system's own C library, which
 * is older or newer than the one in the program, and the process dies in it (SIGABRT on Debian 11, SIGFPE on Debian 13).
 *
 * The linker puts this in the place of the C library's inner dlopen (--wrap). A service that can't be loaded is unavailable, and the
 * lookup goes on with the next one: `files` (/etc/hosts) and `dns` (/etc/resolv.conf) are in the program itself.
 */
void *__wrap___libc_dlopen_mode(const char *name, int mode);

void *__wrap___libc_dlopen_mode(const char *name, int mode) {
    (void)name;
    (void)mode;
    return 0;
}
