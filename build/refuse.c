// refuse mdwe|executable COMMAND ...   runs a command that the system refuses memory for code:
//   mdwe        memory that is, or ever was, writable (PR_SET_MDWE, Linux 6.3)
//   executable  all but what the loader maps: files in memory, and pages made executable (seccomp)
// Exit 77 where the system does not know how.
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define SKIP_UNLESS(value, count) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, count)
#define ANSWER(value) BPF_STMT(BPF_RET | BPF_K, value)

static int refuse_executable(void) {
    struct sock_filter filter[] = {
        LOAD(nr),
        SKIP_UNLESS(SYS_memfd_create, 1),
        ANSWER(SECCOMP_RET_ERRNO | EPERM),
        SKIP_UNLESS(SYS_mprotect, 3),
        LOAD(args[2]),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1),
        ANSWER(SECCOMP_RET_ERRNO | EACCES),
        ANSWER(SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

int main(int count, char **words) {
    if (count < 3) return 2;
    int refused = strcmp(words[1], "mdwe") == 0 ? prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) : refuse_executable();
    if (refused) return 77;
    execv(words[2], words + 2);
    return 126;
}
