// RUN: terse-opt %s --terse-lower-to-linalg -verify-diagnostics

func.func @forward() -> tensor<8x4xf32> {
  // expected-error @+1 {{expected weights in files to be placed in the artifact before}}
  %w = terse.weight "w" = #terse.file<"model.onnx", 0, 128> -> tensor<8x4xf32>
  return %w : tensor<8x4xf32>
}
