// RUN: terse-opt %s --terse-bufferize --split-input-file -verify-diagnostics

// expected-error @+1 {{expected a function named 'forward'}}
module {
  func.func @other() { return }
}

// -----

// expected-error @+1 {{expected results that are tensors; got 'index'}}
func.func @forward(%x: index) -> index {
  return %x : index
}

// -----

// expected-error @+1 {{expected an argument for the state "gone"}}
func.func @forward(%x: tensor<4xf32>) -> (tensor<4xf32> {terse.state = "gone"}) {
  return %x : tensor<4xf32>
}

// -----

// expected-error @+1 {{expected an entry function of one block}}
func.func @forward(%x: tensor<4xf32>, %y: tensor<4xf32>, %c: i1) -> tensor<4xf32> {
  cf.cond_br %c, ^a, ^b
^a:
  %e = math.exp %x : tensor<4xf32>
  return %e : tensor<4xf32>
^b:
  return %y : tensor<4xf32>
}
