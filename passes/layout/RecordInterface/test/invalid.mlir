// RUN: terse-opt %s --terse-record-interface --split-input-file --verify-diagnostics

// expected-error@below {{expected a function @forward}}
module {}

// -----

// expected-error@below {{expected 'terse.name' and one 'terse.dims' for each dimension of argument 0}}
func.func @forward(%x: tensor<?x4xf32> {terse.name = "x", terse.dims = ["n"]}) {
  return
}

// -----

// expected-error@below {{expected dimensions that fit the type of argument 0; got "5" for 'tensor<?x4xf32>'}}
func.func @forward(%x: tensor<?x4xf32> {terse.name = "x", terse.dims = ["n", "5"]}) {
  return
}

// -----

// expected-error@below {{got "n +" for 'tensor<?xf32>'}}
func.func @forward(%x: tensor<?xf32> {terse.name = "x", terse.dims = ["n +"]}) {
  return
}

// -----

// expected-error@below {{expected an element type that the manifest has for argument 0; got 'tensor<?xi7>'}}
func.func @forward(%x: tensor<?xi7> {terse.name = "x", terse.dims = ["n"]}) {
  return
}

// -----

// expected-error@below {{expected the dimensions of results to be given by the arguments; got the new symbol 'm'}}
func.func @forward(%x: tensor<?xf32> {terse.name = "x", terse.dims = ["n"]})
    -> (tensor<?xf32> {terse.name = "y", terse.dims = ["m"]}) {
  return %x : tensor<?xf32>
}

// -----

// expected-error@below {{expected each of 'terse.constraints' to compare expressions of the arguments' dimensions by <= or ==; got "n < 8"}}
func.func @forward(%x: tensor<?xf32> {terse.name = "x", terse.dims = ["n"]}) attributes {terse.constraints = ["n < 8"]} {
  return
}

// -----

// expected-error@below {{got "m <= 8"}}
func.func @forward(%x: tensor<?xf32> {terse.name = "x", terse.dims = ["n"]}) attributes {terse.constraints = ["m <= 8"]} {
  return
}
