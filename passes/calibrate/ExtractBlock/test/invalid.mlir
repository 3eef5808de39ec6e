// RUN: %terse-opt %s --terse-extract-block=index=1 --split-input-file --verify-diagnostics

// expected-error@below {{expected index to be that of one of 1 blocks; got 1}}
func.func @forward(%x: tensor<2x4xf32> {terse.dims = ["2", "4"], terse.name = "x"}) -> (tensor<2x4xf32> {terse.dims = ["2", "4"], terse.name = "y"}) {
  return %x : tensor<2x4xf32>
}

// -----

// expected-error@below {{expected a function @forward}}
module {
}
