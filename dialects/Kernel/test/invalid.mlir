// RUN: terse-opt %s -split-input-file -verify-diagnostics

func.func private @k(index, index)
func.func @f(%v: vector<4xf32>) {
  // expected-error @+1 {{expected inputs that are tensors, buffers or scalars; got 'vector<4xf32>'}}
  kernel.launch @k ins(%v : vector<4xf32>)
  return
}

// -----

func.func private @k(memref<4xf32>, memref<4xf32>, index, index)
func.func @f(%a: tensor<4xf32>, %b: memref<4xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{expected outputs that are all tensors or all buffers}}
  %r = kernel.launch @k outs(%a, %b : tensor<4xf32>, memref<4xf32>) -> tensor<4xf32>
  return %r : tensor<4xf32>
}

// -----

func.func @f(%b: memref<4xf32>) {
  // expected-error @+1 {{expected a function named 'missing'}}
  kernel.launch @missing outs(%b : memref<4xf32>)
  return
}

// -----

// expected-note @+1 {{the kernel's type is}}
func.func private @k(memref<4xf32>, index, index) -> index
func.func @f(%b: memref<4xf32>) {
  // expected-error @+1 {{expected a kernel without results}}
  kernel.launch @k outs(%b : memref<4xf32>)
  return
}

// -----

// expected-note @+1 {{the kernel's type is}}
func.func private @k(memref<4xf32>, index)
func.func @f(%b: memref<4xf32>) {
  // expected-error @+1 {{expected a kernel of 1 operands, the thread and the number of threads}}
  kernel.launch @k outs(%b : memref<4xf32>)
  return
}

// -----

// expected-note @+1 {{the kernel's type is}}
func.func private @k(memref<4xf32>, memref<8xf32>, index, index)
func.func @f(%a: tensor<4xf32>, %b: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{expected a kernel whose parameter 1 takes the operand; got 'tensor<4xf32>'}}
  %r = kernel.launch @k ins(%a : tensor<4xf32>) outs(%b : tensor<4xf32>) -> tensor<4xf32>
  return %r : tensor<4xf32>
}

// -----

func.func @f() {
  // expected-error @+1 {{expected a static shape; got 'tensor<?xf32>'}}
  %w = kernel.weight "w" at 0 : tensor<?xf32>
  return
}

// -----

func.func @f() {
  // expected-error @+1 {{expected the identity layout; got 'memref<4xf32, strided<[2]>>'}}
  %w = kernel.weight "w" at 0 : memref<4xf32, strided<[2]>>
  return
}

// -----

func.func @f() {
  // expected-error @+1 {{expected an offset of 0 or more; got -4}}
  %w = kernel.weight "w" at -4 : tensor<4xf32>
  return
}

// -----

func.func @ahead(%w: memref<4x?xi8>) {
  // expected-error @+1 {{'kernel.barrier' op operand #0 must be statically shaped memref of integer or floating-point values}}
  kernel.barrier ahead(%w : memref<4x?xi8>)
  return
}
