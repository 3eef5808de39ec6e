// RUN: %terse-opt %s --terse-extract-block=count=2 --verify-diagnostics

// expected-error@below {{expected count to be that of some of the 1 blocks from 0 on; got 2}}
func.func @forward(%x: tensor<2x4xf32> {terse.dims = ["2", "4"], terse.name = "x"}) -> (tensor<2x4xf32> {terse.dims = ["2", "4"], terse.name = "y"}) {
  return %x : tensor<2x4xf32>
}
