// The threads of one block, each a fiber. One runs at a time, until a barrier stops it; so a missing barrier shows in what is computed when
// the order of the threads changes, and threads that disagree at a barrier are an error instead of a hang.
#pragma once

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "fiber.h"

namespace emulation {

constexpr int WARP = 32;

enum class Order { FORWARD, BACKWARD };

enum class State { READY, AT_WARP_BARRIER, AT_BLOCK_BARRIER, DONE };

struct Thread {
    Fiber fiber;
    State state;
    int line;  // of the barrier
    int shuffles;
    unsigned long long shuffled[2];  // in turns, so that a fast thread does not overwrite what a slow one still reads
};

class Block {
public:
    // Runs 'body' once in every thread; 'enter' is called before each one goes on.
    template <typename Body, typename Enter>
    bool run(int threads, Order order, const Body& body, const Enter& enter) {
        while (static_cast<int>(threads_.size()) < threads) {
            threads_.push_back(std::make_unique<Thread>());
        }
        count_ = threads;
        error_.clear();
        for (int i = 0; i < threads; i++) {
            Thread& thread = *threads_[i];
            thread.state = State::READY;
            thread.line = thread.shuffles = 0;
            thread.fiber.set([&body, &thread] {
                body();
                thread.state = State::DONE;
            });
        }
        const int warps = (threads + WARP - 1) / WARP;
        for (;;) {
            for (int i = 0; i < warps; i++) {
                if (!run_warp(order == Order::FORWARD ? i : warps - 1 - i, order, enter)) {
                    return false;
                }
            }
            if (!agree(0, threads, "block")) {
                return false;
            }
            if (threads_[0]->state == State::DONE) {
                return true;
            }
            release(0, threads);
        }
    }

    const std::string& error() const { return error_; }

    void wait(State barrier, int line) {
        Thread& thread = *threads_[running_];
        thread.state = barrier;
        thread.line = line;
        Fiber::pause();
    }

    template <typename T>
    T shuffle_xor(unsigned int mask, T value, int distance, int line) {
        static_assert(sizeof(T) <= sizeof(Thread::shuffled[0]));
        const int self = running_;
        const int other = self ^ distance;
        if (mask != ~0u || self / WARP != other / WARP || other >= count_) {
            fail("line " + std::to_string(line) + ": a shuffle that is not of a whole warp");
        }
        const int turn = threads_[self]->shuffles++ % 2;
        std::memcpy(&threads_[self]->shuffled[turn], &value, sizeof(T));
        wait(State::AT_WARP_BARRIER, line);
        std::memcpy(&value, &threads_[other]->shuffled[turn], sizeof(T));
        return value;
    }

private:
    template <typename Enter>
    bool run_warp(int warp, Order order, const Enter& enter) {
        const int first = warp * WARP;
        const int end = first + WARP < count_ ? first + WARP : count_;
        for (;;) {
            for (int i = first; i < end; i++) {
                running_ = order == Order::FORWARD ? i : first + end - 1 - i;
                enter(running_);
                threads_[running_]->fiber.resume();
                if (!error_.empty()) {
                    return false;
                }
            }
            if (!agree(first, end, "warp")) {
                return false;
            }
            if (threads_[first]->state != State::AT_WARP_BARRIER) {
                return true;
            }
            release(first, end);
        }
    }

    bool agree(int first, int end, const char* group) {
        for (int i = first + 1; i < end; i++) {
            const Thread& one = *threads_[first];
            const Thread& other = *threads_[i];
            if (one.state != other.state || (one.state != State::DONE && one.line != other.line)) {
                error_ = std::string("threads ") + std::to_string(first) + " (" + describe(one) + ") and " + std::to_string(i) + " (" +
                    describe(other) + ") of a " + group + " wait for each other";
                return false;
            }
        }
        return true;
    }

    static std::string describe(const Thread& thread) {
        switch (thread.state) {
            case State::AT_WARP_BARRIER: return "warp barrier, line " + std::to_string(thread.line);
            case State::AT_BLOCK_BARRIER: return "block barrier, line " + std::to_string(thread.line);
            case State::DONE: return "done";
            default: return "ready";
        }
    }

    void release(int first, int end) {
        for (int i = first; i < end; i++) {
            threads_[i]->state = State::READY;
        }
    }

    void fail(std::string error) {
        error_ = std::move(error);
        Fiber::pause();  // for good: the launch ends
    }

    std::vector<std::unique_ptr<Thread>> threads_;
    int count_ = 0;
    int running_ = 0;
    std::string error_;
};

}
