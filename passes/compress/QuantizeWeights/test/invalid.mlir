// RUN: terse-opt %s --split-input-file --verify-diagnostics --terse-quantize-weights
// RUN: not terse-opt %s --terse-quantize-weights="bits=5" 2>&1 | FileCheck %s --check-prefix=BITS
// RUN: not terse-opt %s --terse-quantize-weights="group-size=-3" 2>&1 | FileCheck %s --check-prefix=GROUP
// RUN: not terse-opt %s --terse-quantize-weights="scale=f8" 2>&1 | FileCheck %s --check-prefix=SCALE
// RUN: not terse-opt %s --terse-quantize-weights="layers=mlp(" 2>&1 | FileCheck %s --check-prefix=REGEX
// RUN: not terse-opt %s --terse-quantize-weights="layers=nowhere" 2>&1 | FileCheck %s --check-prefix=NONE

// RUN: not terse-opt %s --terse-quantize-weights="method=best" 2>&1 | FileCheck %s --check-prefix=METHOD
// RUN: not terse-opt %s --terse-quantize-weights="format=fp4" 2>&1 | FileCheck %s --check-prefix=FORMAT
// RUN: not terse-opt %s --terse-quantize-weights="format=nf4 method=hqq" 2>&1 | FileCheck %s --check-prefix=TABLE
// RUN: not terse-opt %s --terse-quantize-weights="format=nf4 symmetric=false" 2>&1 | FileCheck %s --check-prefix=TABLE
// RUN: not terse-opt %s --terse-quantize-weights="damping=-1" 2>&1 | FileCheck %s --check-prefix=DAMPING
// RUN: not terse-opt %s --terse-quantize-weights="sweeps=-1" 2>&1 | FileCheck %s --check-prefix=SWEEPS
// RUN: not terse-opt %s --terse-quantize-weights="stats=%t.none" 2>&1 | FileCheck %s --check-prefix=FILE

// BITS: terse-quantize-weights: expected bits of 2, 3, 4 or 8; got 5
// GROUP: expected a group size of 0 or more; got -3
// SCALE: expected scale to be f16, f32 or i8; got 'f8'
// REGEX: expected layers to be a regular expression; got 'mlp('
// METHOD: expected method to be rtn, gptq or hqq; got 'best'
// FORMAT: expected format to be int or nf4; got 'fp4'
// TABLE: expected method to be rtn or gptq and no zero points with format=nf4
// DAMPING: expected a damping of 0 to 1; got -1
// SWEEPS: expected sweeps of 0 or more; got -1
// FILE: No such file or directory
// NONE: expected layers to match the name of a layer; got 'nowhere'

func.func @nan(%x: tensor<3x2xf32>) -> tensor<3x2xf32> {
  %w = terse.weight "w" = dense<[[1.0, 2.0], [0x7FC00000, 0.0]]> : tensor<2x2xf32> -> tensor<2x2xf32>
  // expected-error@below {{expected finite weights; got NaN or infinity in output channel 1 of layer 'up'}}
  %y = terse.linear %x, %w {name = "up"} : tensor<3x2xf32>, tensor<2x2xf32> -> tensor<3x2xf32>
  return %y : tensor<3x2xf32>
}

// -----

func.func @overflow(%x: tensor<3x2xf32>) -> tensor<3x2xf32> {
  %w = terse.weight "w" = dense<1.0e+9> : tensor<2x2xf32> -> tensor<2x2xf32>
  // expected-error@below {{expected scales within the range of 'f16'; got a larger one in output channel 0 of layer 'w'}}
  %y = terse.linear %x, %w : tensor<3x2xf32>, tensor<2x2xf32> -> tensor<3x2xf32>
  return %y : tensor<3x2xf32>
}

// -----

func.func @missing(%x: tensor<3x2xf32>) -> tensor<3x2xf32> {
  %w = terse.weight "w" = #terse.file<"nowhere.onnx", 0, 16> -> tensor<2x2xf32>
  // expected-error@below {{cannot read the weight of layer 'w': 'nowhere.onnx': cannot open: No such file or directory}}
  %y = terse.linear %x, %w : tensor<3x2xf32>, tensor<2x2xf32> -> tensor<3x2xf32>
  return %y : tensor<3x2xf32>
}
