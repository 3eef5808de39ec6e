//===- ValuesTest.cpp - element types, hashes, CPU levels -------*- C++ -*-===//
#include "terse/Runtime/CpuLevel.h"
#include "terse/Runtime/DType.h"
#include "terse/Runtime/Sha256.h"
#include "terse/Runtime/Suggest.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

using namespace terse::rt;

namespace {

TEST(DType, HalfIsExact) {
  // Against the compiler's own conversion, all values.
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    uint16_t half = uint16_t(bits);
    _Float16 expected;
    std::memcpy(&expected, &half, 2);
    float got = halfToFloat(half);
    if (std::isnan(float(expected))) {
      EXPECT_TRUE(std::isnan(got)) << bits;
      continue;
    }
    ASSERT_EQ(got, float(expected)) << bits;
    ASSERT_EQ(std::signbit(got), std::signbit(float(expected))) << bits;
  }
}

TEST(DType, StoresIntegers) {
  for (int64_t value : {0, 1, 7, 255, 2047, 4097, 65519, 100000}) {
    uint16_t half = 0, brain = 0;
    storeInteger(DType::F16, &half, 0, value);
    storeInteger(DType::BF16, &brain, 0, value);
    _Float16 expected = _Float16(float(value));
    uint16_t bits;
    std::memcpy(&bits, &expected, 2);
    EXPECT_EQ(half, bits) << value;
    EXPECT_NEAR(bfloatToFloat(brain), float(value), float(value) / 256);
    int64_t wide = 0;
    storeInteger(DType::I64, &wide, 0, value);
    EXPECT_EQ(wide, value);
    float single = 0;
    storeInteger(DType::F32, &single, 0, value);
    EXPECT_EQ(single, float(value));
  }
  uint8_t flag[2] = {9, 9};
  storeInteger(DType::Bool, flag, 1, 300);
  EXPECT_EQ(flag[0], 9);
  EXPECT_EQ(flag[1], 1);
}

TEST(DType, Names) {
  for (int i = 0; i <= int(DType::Bool); ++i) {
    DType parsed;
    ASSERT_TRUE(parseDType(nameOf(DType(i)), parsed));
    EXPECT_EQ(parsed, DType(i));
  }
  DType parsed;
  EXPECT_FALSE(parseDType("f31", parsed));
}

TEST(Sha256, KnownAnswers) {
  // FIPS 180-4 examples and the empty string.
  EXPECT_EQ(Sha256::of("", 0),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934c"
            "a495991b7852b855");
  EXPECT_EQ(Sha256::of("abc", 3),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177"
            "a9cb410ff61f20015ad");
  std::string long1 =
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
  EXPECT_EQ(Sha256::of(long1.data(), long1.size()),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  // A million 'a', in uneven pieces.
  Sha256 hash;
  std::string piece(997, 'a');
  for (size_t left = 1000000; left;) {
    size_t part = std::min(left, piece.size());
    hash.update(piece.data(), part);
    left -= part;
  }
  EXPECT_EQ(hash.finish(),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d"
            "39ccc7112cd0");
}

TEST(CpuLevel, NeedsInstructionsAndSystem) {
  CpuId id;
  EXPECT_EQ(bestLevel(id), CpuLevel::Baseline);
  id.leaf1ecx = 1u << 12 | 1u << 27 | 1u << 28 | 1u << 29;
  id.leaf7ebx = 1u << 3 | 1u << 5 | 1u << 8;
  EXPECT_EQ(bestLevel(id), CpuLevel::Baseline) << "registers are not saved";
  id.xcr0 = 0x7;
  EXPECT_EQ(bestLevel(id), CpuLevel::Avx2);
  id.leaf7ebx |= 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;
  EXPECT_EQ(bestLevel(id), CpuLevel::Avx2) << "no VNNI";
  id.leaf7ecx = 1u << 11;
  EXPECT_EQ(bestLevel(id), CpuLevel::Avx2) << "wide registers are not saved";
  id.leaf7sub1eax = 1u << 5;
  EXPECT_EQ(bestLevel(id), CpuLevel::Avx2) << "wide registers are not saved";
  id.xcr0 = 0xe7;
  EXPECT_EQ(bestLevel(id), CpuLevel::Avx512Bf16);
  id.leaf7sub1eax = ~(1u << 5);
  EXPECT_EQ(bestLevel(id), CpuLevel::Avx512Vnni) << "no BF16";
  id.leaf7sub1eax = 1u << 5;
  id.leaf7ecx = 0;
  EXPECT_EQ(bestLevel(id), CpuLevel::Avx2) << "BF16 without VNNI";
  for (int bit : {12, 27, 28, 29}) {
    CpuId less = id;
    less.leaf1ecx &= ~(1u << bit);
    EXPECT_EQ(bestLevel(less), CpuLevel::Baseline) << bit;
  }
}

TEST(CpuLevel, Names) {
  EXPECT_EQ(listCpuLevels(), "baseline, avx2, avx512vnni or avx512bf16");
  ASSERT_EQ(cpuLevelNames().size(), size_t(cpuLevelCount));
  for (int i = 0; i < cpuLevelCount; ++i) {
    CpuLevel level;
    EXPECT_TRUE(parseCpuLevel(cpuLevelNames()[i], level));
    EXPECT_EQ(level, CpuLevel(i));
  }
  CpuLevel level;
  EXPECT_FALSE(parseCpuLevel("avx512", level));
}

TEST(CpuLevel, AgreesWithTheCompiler) {
  bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
              __builtin_cpu_supports("f16c") &&
              __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("bmi");
  bool vnni = avx2 && __builtin_cpu_supports("avx512f") &&
              __builtin_cpu_supports("avx512bw") &&
              __builtin_cpu_supports("avx512dq") &&
              __builtin_cpu_supports("avx512vl") &&
              __builtin_cpu_supports("avx512vnni");
  bool bf16 = vnni && __builtin_cpu_supports("avx512bf16");
  EXPECT_EQ(bestLevel(), bf16   ? CpuLevel::Avx512Bf16
                         : vnni ? CpuLevel::Avx512Vnni
                         : avx2 ? CpuLevel::Avx2
                                : CpuLevel::Baseline);
}

TEST(Suggest, Nearest) {
  EXPECT_EQ(editDistance("kitten", "sitting"), 3u);
  EXPECT_EQ(editDistance("", "abc"), 3u);
  EXPECT_EQ(suggestion("--promt", {"--top-p", "--prompt", "--prompt-ids"}),
            "; did you mean '--prompt'?");
  EXPECT_EQ(suggestion("xyzzy", {"--prompt"}), "");
}

} // namespace
