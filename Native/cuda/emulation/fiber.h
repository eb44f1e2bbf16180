// A function with a stack of its own, which runs until it pauses.
#pragma once

#include <csetjmp>
#include <cstddef>
#include <cstdlib>
#include <functional>
#include <sys/mman.h>
#include <ucontext.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

namespace emulation {

class Fiber {
public:
    Fiber() : stack_(mmap(nullptr, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) {
        if (stack_ == MAP_FAILED) {
            std::abort();
        }
    }

    ~Fiber() { munmap(stack_, STACK_BYTES); }

    Fiber(const Fiber&) = delete;
    Fiber& operator=(const Fiber&) = delete;

    // From here on, resume() starts 'body' anew; what it did before is forgotten.
    void set(std::function<void()> body) {
        body_ = std::move(body);
        is_started_ = false;
    }

    // Runs until the body pauses or ends.
    void resume() {
        running_ = this;
        enter();
    }

    // Back to whom resumed the fiber that runs now.
    static void pause() { running_->leave(); }

private:
    // At each switch AddressSanitizer clears its notes on the whole stack, so a large one is slow.
    static constexpr std::size_t STACK_BYTES = 64 << 10;

    static void run() {
        Fiber* fiber = running_;
#if defined(__SANITIZE_ADDRESS__)
        __sanitizer_finish_switch_fiber(nullptr, &fiber->caller_stack_, &fiber->caller_bytes_);
#endif
        fiber->body_();
        pause();  // for good
        std::abort();
    }

    void start() {
        getcontext(&context_);
        context_.uc_stack.ss_sp = stack_;
        context_.uc_stack.ss_size = STACK_BYTES;
        context_.uc_link = nullptr;
        makecontext(&context_, run, 0);
        is_started_ = true;
    }

#if defined(__SANITIZE_ADDRESS__)
    void enter() {
        if (!is_started_) {
            start();
        }
        void* own = nullptr;
        __sanitizer_start_switch_fiber(&own, stack_, STACK_BYTES);
        swapcontext(&caller_, &context_);
        __sanitizer_finish_switch_fiber(own, nullptr, nullptr);
    }

    void leave() {
        void* own = nullptr;
        __sanitizer_start_switch_fiber(&own, caller_stack_, caller_bytes_);
        swapcontext(&context_, &caller_);
        __sanitizer_finish_switch_fiber(own, &caller_stack_, &caller_bytes_);
    }

    ucontext_t caller_;
    const void* caller_stack_ = nullptr;
    std::size_t caller_bytes_ = 0;
#else
    // A context switch asks the kernel for the signal mask; a jump does not, and is many times faster.
    void enter() {
        if (_setjmp(caller_) != 0) {
            return;
        }
        if (is_started_) {
            _longjmp(paused_, 1);
        }
        start();
        setcontext(&context_);
    }

    void leave() {
        if (_setjmp(paused_) == 0) {
            _longjmp(caller_, 1);
        }
    }

    jmp_buf caller_;
    jmp_buf paused_;
#endif

    static inline Fiber* running_ = nullptr;

    void* stack_;
    ucontext_t context_;
    std::function<void()> body_;
    bool is_started_ = false;
};

}
