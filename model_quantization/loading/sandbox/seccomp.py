"""A seccomp filter: which system calls a worker's child has to do without.

Written as classic BPF by hand, so that nothing but the kernel is needed. It denies what reaches
beyond the process (the network, other processes, other programs, the kernel's own settings); files
are Landlock's business. What it denies fails with EPERM, so that a model which tries it gets an
error that says so.

Numbers are the kernel's, from `asm/unistd_64.h` and `asm-generic/unistd.h`.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys
from typing import Final

# Name -> (x86_64, aarch64); 0 where the architecture has no such call.
_DENIED: Final = {
    "socket": (41, 198), "connect": (42, 203), "accept": (43, 202), "bind": (49, 200),
    "listen": (50, 201), "accept4": (288, 242),
    "fork": (57, 0), "vfork": (58, 0), "execve": (59, 221), "execveat": (322, 281),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424), "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240), "tkill": (200, 130),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "syslog": (103, 116), "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "symlink": (88, 0), "symlinkat": (266, 36), "link": (86, 0), "linkat": (265, 37),
    "mknod": (133, 0), "mknodat": (259, 33), "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264),
    "setuid": (105, 146), "setgid": (106, 144), "setreuid": (113, 145), "setregid": (114, 143),
    "setresuid": (117, 147), "setresgid": (119, 149), "setgroups": (116, 159),
    "setfsuid": (122, 151), "setfsgid": (123, 152), "capset": (126, 91), "setrlimit": (160, 164),
    "chroot": (161, 51), "pivot_root": (155, 41), "mount": (165, 40), "umount2": (166, 39),
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
    "mount_setattr": (442, 442), "unshare": (272, 97), "setns": (308, 268),
    "swapon": (167, 224), "reboot": (169, 142), "sethostname": (170, 161),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294),
}  # fmt: skip
_CLONE: Final = (56, 220)
_CLONE3: Final = (435, 435)
_TO_A_PROCESS: Final = ((62, 129), (234, 131))  # kill, tgkill: to itself only
_PRLIMIT64: Final = (302, 261)
_ARCHITECTURES: Final = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_X32: Final = 0x40000000
_CLONE_THREAD: Final = 0x00010000

_LOAD, _JUMP_EQUAL, _JUMP_GREATER_EQUAL, _JUMP_SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_DENY, _ABSENT = 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _PR_GET_SECCOMP, _MODE_FILTER = 38, 22, 21, 2


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def build_filter(machine: str, pid: int) -> bytes | None:
    """Return the BPF program for a process on this machine; None for an unknown architecture.

    Parameters
    ----------
    machine : str
        As `platform.machine()` gives it.
    pid : int
        The only process that signals may go to.
    """
    if machine not in _ARCHITECTURES:
        return None
    column, architecture = _ARCHITECTURES[machine]
    code = [
        _step(_LOAD, _ARCHITECTURE),
        _step(_JUMP_EQUAL, architecture, 1, 0),
        _step(_RETURN, _KILL),  # 32-bit calls have other numbers
        _step(_LOAD, _NUMBER),
        _step(_JUMP_GREATER_EQUAL, _X32, 0, 1),
        _step(_RETURN, _KILL),
    ]
    for numbers in _DENIED.values():
        if numbers[column]:
            code += [_step(_JUMP_EQUAL, numbers[column], 0, 1), _step(_RETURN, _DENY)]
    # The arguments of clone3 lie in memory, out of a filter's sight: C libraries use clone instead.
    code += [_step(_JUMP_EQUAL, _CLONE3[column], 0, 1), _step(_RETURN, _ABSENT)]
    code += [
        _step(_JUMP_EQUAL, _CLONE[column], 0, 4),
        _step(_LOAD, _ARGUMENTS),
        _step(_JUMP_SET, _CLONE_THREAD, 0, 1),
        _step(_RETURN, _ALLOW),
        _step(_RETURN, _DENY),
    ]
    for numbers in _TO_A_PROCESS:
        code += [
            _step(_JUMP_EQUAL, numbers[column], 0, 4),
            _step(_LOAD, _ARGUMENTS),
            _step(_JUMP_EQUAL, pid, 0, 1),
            _step(_RETURN, _ALLOW),
            _step(_RETURN, _DENY),
        ]
    code += [  # it may read its limits: the address of new ones, both halves, is zero
        _step(_JUMP_EQUAL, _PRLIMIT64[column], 0, 6),
        _step(_LOAD, _ARGUMENTS + 16),
        _step(_JUMP_EQUAL, 0, 0, 3),
        _step(_LOAD, _ARGUMENTS + 20),
        _step(_JUMP_EQUAL, 0, 0, 1),
        _step(_RETURN, _ALLOW),
        _step(_RETURN, _DENY),
        _step(_RETURN, _ALLOW),
    ]
    return b"".join(code)


def deny_system_calls() -> bool:
    """Whether this process, its threads to come included, now does without them for good.

    False where the kernel or the architecture has no such filter.
    """
    if sys.platform != "linux" or sys.byteorder != "little":
        return False
    program = build_filter(platform.machine(), os.getpid())
    if program is None:
        return False
    instructions = ctypes.create_string_buffer(program, len(program))
    record = _Program(len(program) // 8, ctypes.addressof(instructions))
    libc = ctypes.CDLL(None)
    zero = ctypes.c_ulong(0)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), zero, zero, zero) != 0:
        return False
    mode = ctypes.c_ulong(_MODE_FILTER)
    return bool(libc.prctl(_PR_SET_SECCOMP, mode, ctypes.byref(record), zero, zero) == 0)


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, value)
