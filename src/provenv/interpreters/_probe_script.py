"""Says what an interpreter is. Run *by the interpreter in question*, never imported by provenv.

Stand-alone, standard library only, and in the words that Python 2.7 and 3.x share: no f-strings, no
annotations. It runs with ``-E -s -S -B`` (Python 2.7 has no ``-I``) and takes its own folder off the
path, so that nothing of the user's answers instead of the interpreter. The answer is one line of JSON
between two markers, so that whatever a wrapper prints around it does no harm.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# ruff: noqa: UP024, UP031  # what replaces these is not Python 2.7

import sys

# the folder of this script, whose modules must not shadow the standard library's
del sys.path[0]

import json  # noqa: E402
import os  # noqa: E402
import platform  # noqa: E402
import struct  # noqa: E402
import sysconfig  # noqa: E402

START = "<provenv-interpreter>"
END = "</provenv-interpreter>"


def full_version(info):
    """A version as PEP 440 writes it, from ``sys.version_info`` and its like."""
    text = "%d.%d.%d" % tuple(info[:3])
    if info[3] != "final":
        text += {"alpha": "a", "beta": "b", "candidate": "rc"}.get(info[3], info[3]) + str(info[4])
    return text


def markers():
    """The environment of PEP 508's markers."""
    implementation = getattr(sys, "implementation", None)
    return {
        "implementation_name": implementation.name if implementation else "",
        "implementation_version": full_version(implementation.version) if implementation else "0",
        "os_name": os.name,
        "platform_machine": platform.machine(),
        "platform_python_implementation": platform.python_implementation(),
        "platform_release": platform.release(),
        "platform_system": platform.system(),
        "platform_version": platform.version(),
        "python_full_version": platform.python_version(),
        "python_version": "%d.%d" % sys.version_info[:2],
        "sys_platform": sys.platform,
    }


def glibc():
    """The version of the GNU C library that this process uses, or None."""
    try:
        name, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").rsplit(None, 1)
        if name == "glibc":
            return version
    except (AttributeError, OSError, ValueError):
        pass  # no confstr, or another C library: asked below in another way
    try:
        import ctypes

        function = ctypes.CDLL(None).gnu_get_libc_version
        function.restype = ctypes.c_char_p
        return function().decode("ascii")
    except Exception:  # noqa: BLE001  # ctypes may be missing or broken in as many ways as there are builds
        return None


def musl():
    """The version of musl that this process is dynamically linked to, or None (PEP 656)."""
    try:
        with open("/proc/self/maps") as maps:
            loaders = [line.split()[-1] for line in maps if "ld-musl-" in line]
    except (OSError, IOError):
        return None
    if not loaders:
        return None
    import subprocess

    child = subprocess.Popen([loaders[0]], stderr=subprocess.PIPE, universal_newlines=True)
    for line in child.communicate()[1].splitlines():
        if line.startswith("Version "):
            return line.split()[1]
    return None


def libc():
    """Name and version of the C library, for the platform tags of Linux."""
    if not sys.platform.startswith("linux"):
        return ["", ""]
    for name, ask in (("glibc", glibc), ("musl", musl)):
        version = ask()
        if version:
            return [name, version]
    return ["", ""]


def site_packages():
    """Where pure Python goes in a virtual environment, relative to its root.

    The scheme is named, because a distributor's default one (Debian's ``posix_local``) is not a
    virtual environment's.
    """
    schemes = sysconfig.get_scheme_names()
    fallback = "nt" if os.name == "nt" else "posix_prefix"
    scheme = "venv" if "venv" in schemes else fallback
    root = os.path.join(os.sep, "ROOT")
    found = sysconfig.get_path("purelib", scheme, vars={"base": root, "platbase": root})
    return os.path.relpath(found, root).replace(os.sep, "/")


def variable(name):
    """A build variable that may be missing or not a plain value."""
    value = sysconfig.get_config_var(name)
    return value if isinstance(value, (str, int)) else None


def describe():
    """Everything that provenv asks an interpreter."""
    executable = getattr(sys, "_base_executable", None) or sys.executable
    mac = platform.mac_ver() if sys.platform == "darwin" else ("", "", "")
    return {
        "version": full_version(sys.version_info),
        "release": list(sys.version_info[:2]),
        "implementation": platform.python_implementation().lower(),
        "executable": os.path.realpath(executable),
        "markers": markers(),
        "platform": sysconfig.get_platform(),
        "multiarch": variable("MULTIARCH"),
        "soabi": variable("SOABI"),
        "ext_suffix": variable("EXT_SUFFIX"),
        "abiflags": getattr(sys, "abiflags", ""),
        "version_nodot": variable("py_version_nodot"),
        "free_threaded": bool(variable("Py_GIL_DISABLED")),
        "debug": hasattr(sys, "gettotalrefcount") or bool(variable("Py_DEBUG")),
        "pymalloc": variable("WITH_PYMALLOC") in (None, 1),
        "wide_unicode": sys.maxunicode > 0xFFFF,
        "libc": libc(),
        "mac": [mac[0], mac[2]],
        "pointer_size": struct.calcsize("P"),
        "site_packages": site_packages(),
        "include": "include/site/python%d.%d" % sys.version_info[:2],
    }


if __name__ == "__main__":
    sys.stdout.write("\n" + START + json.dumps(describe()) + END + "\n")
