//===- HadamardTest.cpp - rotations, by definition --------------------------===//
#include "terse/Numerics/Hadamard.h"

#include "gtest/gtest.h"

#include <cmath>

using namespace terse;

TEST(Hadamard, RowsAreOrthogonalSigns) {
  for (int64_t order : {1, 2, 16, 12, 20, 24, 28, 36, 44, 76, 108, 148}) {
    std::optional<std::vector<float>> h = makeHadamard(order);
    ASSERT_TRUE(h) << order;
    for (float value : *h)
      ASSERT_EQ(std::fabs(value), 1) << order;
    for (int64_t i = 0; i < order; ++i)
      for (int64_t j = 0; j < order; ++j) {
        double product = 0;
        for (int64_t k = 0; k < order; ++k)
          product += (*h)[i * order + k] * (*h)[j * order + k];
        ASSERT_EQ(product, i == j ? order : 0) << order;
      }
  }
  // No such matrix, and one that neither construction gives.
  for (int64_t order : {3, 6, 92})
    EXPECT_FALSE(makeHadamard(order)) << order;
}

/// Row i of a rotation: what becomes of a one in channel i.
static std::vector<double> getRow(const HadamardRotation &rotation, int64_t i) {
  std::vector<double> row(rotation.getSize());
  row[i] = 1;
  rotation.apply(row);
  return row;
}

TEST(Hadamard, RotationsAreOrthogonalAndFlat) {
  struct Case {
    int64_t size, factor;
    bool isHadamard;
  };
  for (auto [size, factor, isHadamard] : {Case{1, 1, true}, {8, 8, true}, {64, 16, true}, {704, 44, true}, {352, 44, true}, {104, 104, true},
                                           {688, 43, false}, {7, 7, false}, {22, 11, false}}) {
    HadamardRotation rotation = HadamardRotation::makeRandom(size, 3);
    EXPECT_EQ(rotation.getFactorSize(), factor) << size;
    EXPECT_EQ(rotation.isHadamard(), isHadamard) << size;
    std::vector<std::vector<double>> rows;
    for (int64_t i = 0; i < size; ++i)
      rows.push_back(getRow(rotation, i));
    double largest = std::sqrt((isHadamard ? 1.0 : 2.0) / size) + 1e-12;
    for (int64_t i = 0; i < size; ++i)
      for (int64_t j = 0; j < size; ++j) {
        double product = 0;
        for (int64_t k = 0; k < size; ++k)
          product += rows[i][k] * rows[j][k];
        ASSERT_NEAR(product, i == j ? 1 : 0, 1e-12) << size;
        ASSERT_LE(std::fabs(rows[i][j]), largest) << size;
      }
  }
}

TEST(Hadamard, SignsAreOfTheSeed) {
  HadamardRotation plain = HadamardRotation::make(64), first = HadamardRotation::makeRandom(64, 0), again = HadamardRotation::makeRandom(64, 0),
                   other = HadamardRotation::makeRandom(64, 1);
  int differences = 0, flips = 0;
  for (int64_t i = 0; i < 64; ++i) {
    EXPECT_EQ(getRow(first, i), getRow(again, i));
    differences += getRow(first, i) != getRow(other, i);
    flips += getRow(first, i) != getRow(plain, i);
  }
  EXPECT_GT(differences, 16);
  EXPECT_GT(flips, 16);
}
