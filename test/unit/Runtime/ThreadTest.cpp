//===- ThreadTest.cpp - run under ThreadSanitizer ---------------*- C++ -*-===//
#include "Toy.h"

#include "terse-c/terse.h"
#include "terse/Runtime/Processors.h"
#include "terse/Runtime/Team.h"

#include <atomic>
#include <sched.h>
#include <thread>
#include <unistd.h>

using namespace terse::rt;

namespace {

/// What threads may read while they wait.
const char ahead[100 * 201] = {};

/// What each thread writes between barriers and all others read after.
struct Exchange {
  static constexpr int rounds = 200;
  int32_t slots[1024] = {};
  std::atomic<int> wrong{0};
  int threads = 0; ///< of the last job
};

void exchange(const TerseCall *call, int32_t thread, int32_t threads) {
  auto &shared = *static_cast<Exchange *>(call->arena);
  if (thread == 0)
    shared.threads = threads;
  for (int round = 1; round <= Exchange::rounds; ++round) {
    shared.slots[thread] = round;
    call->barrier(call->barrier_state, nullptr, 0);
    for (int i = 0; i < threads; ++i)
      if (shared.slots[i] != round)
        ++shared.wrong;
    call->barrier(call->barrier_state, &ahead[round % 2], 100 * round);
  }
}

/// A call by which `team` runs `exchange` on `shared`.
TerseCall exchangeCall(Team &team, Exchange &shared) {
  TerseCall call = {};
  call.arena = &shared;
  call.barrier = Team::barrier;
  call.barrier_state = &team;
  return call;
}

TEST(Team, BarriersOrderMemory) {
  for (int threads : {1, 2, 3, 7}) {
    auto team = Team::create(threads);
    ASSERT_TRUE(team.ok());
    Exchange shared;
    TerseCall call = exchangeCall(**team, shared);
    for (int i = 0; i < 5; ++i) {
      (*team)->run(exchange, &call);
      if (i == 2) // long enough for all to fall asleep
        std::this_thread::sleep_for(std::chrono::milliseconds(30));
    }
    EXPECT_EQ(shared.wrong, 0) << threads;
  }
}

// Threads that have no processor are done without, and come back.
TEST(Team, SharesProcessors) {
  const int processors = availableCpus();
  if (processors == 1)
    GTEST_SKIP() << "one processor: there are no threads to do without";
  if (::access("/proc/thread-self/schedstat", R_OK) != 0)
    GTEST_SKIP() << "the system does not tell how long threads had no processor";
  auto team = Team::create(processors, Team::Placement::Shared);
  ASSERT_TRUE(team.ok());
  std::atomic<bool> stop{false};
  std::vector<std::thread> others;
  for (int i = 0; i < 2 * processors; ++i)
    others.emplace_back([&] {
      while (!stop.load(std::memory_order_relaxed))
        ;
    });
  Exchange shared;
  TerseCall call = exchangeCall(**team, shared);
  auto runUntil = [&](auto holds) {
    const auto end =
        std::chrono::steady_clock::now() + std::chrono::seconds(60);
    do
      (*team)->run(exchange, &call);
    while (!holds(shared.threads) && std::chrono::steady_clock::now() < end);
    return holds(shared.threads);
  };
  EXPECT_TRUE(runUntil([&](int threads) { return threads < processors; }));
  stop = true;
  for (std::thread &other : others)
    other.join();
  EXPECT_TRUE(runUntil([&](int threads) { return threads == processors; }));
  EXPECT_EQ(shared.wrong, 0);
}

TEST(Team, PinsItsThreads) {
  cpu_set_t before, after;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  for (int threads : {1, 2, 5}) {
    auto team = Team::create(threads, Team::Placement::Pinned);
    ASSERT_TRUE(team.ok());
    int allowed[5] = {};
    TerseCall call = {};
    call.arena = allowed;
    for (int i = 0; i < 3; ++i)
      (*team)->run(
          [](const TerseCall *c, int32_t thread, int32_t) {
            cpu_set_t set;
            if (sched_getaffinity(0, sizeof set, &set) == 0)
              static_cast<int *>(c->arena)[thread] = CPU_COUNT(&set);
          },
          &call);
    for (int i = 0; i < threads; ++i)
      EXPECT_EQ(allowed[i], 1) << i;
  }
  // The caller's thread is its own again.
  ASSERT_EQ(sched_getaffinity(0, sizeof after, &after), 0);
  EXPECT_TRUE(CPU_EQUAL(&before, &after));
}

/// Sleepers are sent to other processors than the caller's, and are free again.
TEST(Team, SleepersKeepTheirProcessors) {
  cpu_set_t before;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  struct Seen {
    cpu_set_t allowed[3];
  };
  for (int threads : {2, 3}) {
    auto team = Team::create(threads);
    ASSERT_TRUE(team.ok());
    for (int i = 0; i < 3; ++i) {
      if (i)
        std::this_thread::sleep_for(std::chrono::milliseconds(30));
      Seen seen = {};
      TerseCall call = {};
      call.arena = &seen;
      (*team)->run(
          [](const TerseCall *c, int32_t thread, int32_t) {
            auto &seen = *static_cast<Seen *>(c->arena);
            sched_getaffinity(0, sizeof(cpu_set_t), &seen.allowed[thread]);
          },
          &call);
      for (int t = 0; t < threads; ++t)
        EXPECT_TRUE(CPU_EQUAL(&before, &seen.allowed[t])) << i << " " << t;
    }
  }
}

TEST(Team, EndsWithoutHavingRun) {
  for (int i = 0; i < 20; ++i)
    ASSERT_TRUE(Team::create(1 + i % 4).ok());
}

TEST(Team, CallerSeesAllWork) {
  auto team = Team::create(3);
  ASSERT_TRUE(team.ok());
  int64_t sums[3] = {};
  TerseCall call = {};
  call.arena = sums;
  for (int i = 1; i <= 2000; ++i) {
    (*team)->run([](const TerseCall *c, int32_t thread,
                    int32_t) { static_cast<int64_t *>(c->arena)[thread] += 1; },
                 &call);
    ASSERT_EQ(sums[0] + sums[1] + sums[2], 3 * i);
  }
}

TEST(Model, ServesSeveralThreads) {
  auto model = openToy("state");
  ASSERT_TRUE(model);
  std::vector<int32_t> tokens = {10, 20, 30, 40, 50, 60};
  auto single = toyLanguage("state");
  auto expected = rowsOf(*single, tokens, 2);
  std::atomic<int> wrong{0};
  std::vector<std::thread> users;
  for (int user = 0; user < 4; ++user)
    users.emplace_back([&, user] {
      ContextOptions options;
      options.threads = 1 + user % 3;
      options.capacity = 64;
      auto language = LanguageModel::create(model, options);
      if (!language.ok()) {
        ++wrong;
        return;
      }
      for (int round = 0; round < 5; ++round) {
        (*language)->reset();
        if (rowsOf(**language, tokens, 1 + round) != expected)
          ++wrong;
      }
    });
  for (std::thread &user : users)
    user.join();
  EXPECT_EQ(wrong, 0);
}

TEST(Model, OpensInSeveralThreads) {
  std::vector<std::thread> users;
  std::atomic<int> wrong{0};
  for (int user = 0; user < 4; ++user)
    users.emplace_back([&] {
      for (int i = 0; i < 5; ++i)
        if (!Model::open(toyPath("state")).ok())
          ++wrong;
    });
  for (std::thread &user : users)
    user.join();
  EXPECT_EQ(wrong, 0);
}

/// Through the C interface: one model, a context for each thread, and a reason
/// for each thread's failures.
TEST(CAPI, ServesSeveralThreads) {
  terse_model *model;
  ASSERT_EQ(terse_model_open(toyPath("state").c_str(), nullptr, &model),
            TERSE_OK);
  constexpr int threads = 4;
  std::vector<std::vector<int32_t>> texts(threads);
  std::vector<std::string> reasons(threads);
  std::vector<std::thread> team;
  for (int i = 0; i < threads; ++i)
    team.emplace_back([&, i] {
      terse_context *context = nullptr;
      terse_context_options options = TERSE_CONTEXT_OPTIONS_INIT;
      options.threads = 1 + i % 2;
      options.capacity = 64;
      ASSERT_EQ(terse_context_create(model, &options, &context), TERSE_OK);
      terse_generate_options how = TERSE_GENERATE_OPTIONS_INIT;
      how.max_tokens = 20;
      auto collect = [](void *user, int32_t token) {
        static_cast<std::vector<int32_t> *>(user)->push_back(token);
        return 0;
      };
      int32_t prompt[] = {1, 2, 3}, wrong = 1000 + i;
      EXPECT_EQ(terse_generate(context, prompt, 3, &how, collect, &texts[i]),
                TERSE_OK);
      std::vector<float> logits(256);
      EXPECT_EQ(terse_eval(context, &wrong, 1, logits.data()),
                TERSE_INVALID_ARGUMENT);
      reasons[i] = terse_last_error();
      terse_context_destroy(context);
    });
  for (std::thread &thread : team)
    thread.join();
  terse_model_close(model);
  for (int i = 0; i < threads; ++i) {
    EXPECT_EQ(texts[i].size(), 20u);
    EXPECT_EQ(texts[i], texts[0]);
    EXPECT_NE(reasons[i].find(std::to_string(1000 + i)), std::string::npos)
        << reasons[i];
  }
}

} // namespace
