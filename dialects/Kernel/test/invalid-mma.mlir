// RUN: terse-opt %s --split-input-file --verify-diagnostics

// M1
func.func @weights(%w: vector<32xi8>, %a: vector<4xi8>, %s: vector<16xi32>) -> vector<16xi32> {
  // expected-error @+1 {{expected weights of 'vector<64xi8>'; got 'vector<32xi8>'}}
  %0 = kernel.mma #kernel.x86_vnni %w, %a, %s : vector<32xi8>, vector<4xi8>, vector<16xi32>
  return %0 : vector<16xi32>
}

// -----

// M2
func.func @activations(%w: vector<64xi8>, %a: vector<8xi8>, %s: vector<16xi32>) -> vector<16xi32> {
  // expected-error @+1 {{expected activations of 'vector<4xi8>'; got 'vector<8xi8>'}}
  %0 = kernel.mma #kernel.x86_vnni %w, %a, %s : vector<64xi8>, vector<8xi8>, vector<16xi32>
  return %0 : vector<16xi32>
}

// -----

// M3
func.func @sums(%w: vector<32xi8>, %a: vector<4xi8>, %s: vector<8xi32>) -> vector<8xi32> {
  // expected-error @+1 {{expected sums of 'vector<16xi16>'; got 'vector<8xi32>'}}
  %0 = kernel.mma #kernel.x86_maddubs %w, %a, %s : vector<32xi8>, vector<4xi8>, vector<8xi32>
  return %0 : vector<8xi32>
}

// -----

// M4
func.func @no_partial_sums(%p: vector<16xi16>, %s: vector<16xi32>) -> vector<16xi32> {
  // expected-error @+1 {{expected an instruction with partial sums; got #kernel.x86_vnni}}
  %0 = kernel.mma_sum #kernel.x86_vnni %p, %s : vector<16xi16>, vector<16xi32>
  return %0 : vector<16xi32>
}

// -----

// M5
func.func @partial(%p: vector<8xi16>, %s: vector<8xi32>) -> vector<8xi32> {
  // expected-error @+1 {{expected partial sums of 'vector<16xi16>'; got 'vector<8xi16>'}}
  %0 = kernel.mma_sum #kernel.x86_maddubs %p, %s : vector<8xi16>, vector<8xi32>
  return %0 : vector<8xi32>
}

// -----

// M6
func.func @wide_sums(%p: vector<16xi16>, %s: vector<16xi32>) -> vector<16xi32> {
  // expected-error @+1 {{expected sums of 'vector<8xi32>'; got 'vector<16xi32>'}}
  %0 = kernel.mma_sum #kernel.x86_maddubs %p, %s : vector<16xi16>, vector<16xi32>
  return %0 : vector<16xi32>
}

// -----

// M7
func.func @no_sparse_products(%v: vector<16xi8>, %p: vector<16xi8>, %a: vector<8xi8>, %s: vector<4xi32>) -> vector<4xi32> {
  // expected-error @+1 {{expected an instruction with sparse products; got #kernel.x86_maddwd}}
  %0 = kernel.mma_sparse #kernel.x86_maddwd %v, %p, %a, %s : vector<16xi8>, vector<8xi8>, vector<4xi32>
  return %0 : vector<4xi32>
}

// -----

// M8
func.func @values(%v: vector<32xi8>, %p: vector<32xi8>, %a: vector<8xi8>, %s: vector<16xi32>) -> vector<16xi32> {
  // expected-error @+1 {{expected values of 'vector<64xi8>'; got 'vector<32xi8>'}}
  %0 = kernel.mma_sparse #kernel.x86_vnni %v, %p, %a, %s : vector<32xi8>, vector<8xi8>, vector<16xi32>
  return %0 : vector<16xi32>
}

// -----

// M9
func.func @sparse_activations(%v: vector<64xi8>, %p: vector<64xi8>, %a: vector<4xi8>, %s: vector<16xi32>) -> vector<16xi32> {
  // expected-error @+1 {{expected activations of 'vector<8xi8>'; got 'vector<4xi8>'}}
  %0 = kernel.mma_sparse #kernel.x86_vnni %v, %p, %a, %s : vector<64xi8>, vector<4xi8>, vector<16xi32>
  return %0 : vector<16xi32>
}

// -----

// M10
func.func @sparse_sums(%v: vector<32xi8>, %p: vector<32xi8>, %a: vector<8xi8>, %s: vector<8xi32>) -> vector<8xi32> {
  // expected-error @+1 {{expected sums of 'vector<16xi16>'; got 'vector<8xi32>'}}
  %0 = kernel.mma_sparse #kernel.x86_maddubs %v, %p, %a, %s : vector<32xi8>, vector<8xi8>, vector<8xi32>
  return %0 : vector<8xi32>
}

// -----

// M11
func.func @table(%c: vector<64xi8>) -> vector<64xi8> {
  // expected-error @+1 {{expected a table of 16 bytes; got 3}}
  %0 = kernel.lookup #kernel.x86_vnni [1, 2, 3] %c : vector<64xi8>
  return %0 : vector<64xi8>
}

// -----

// M12
func.func @indices(%c: vector<32xi8>) -> vector<32xi8> {
  // expected-error @+1 {{expected indices of 'vector<64xi8>'; got 'vector<32xi8>'}}
  %0 = kernel.lookup #kernel.x86_vnni [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16] %c : vector<32xi8>
  return %0 : vector<32xi8>
}

// -----

// M1
func.func @weights_of_floats(%w: vector<64xi8>, %a: vector<2xbf16>, %s: vector<16xf32>) -> vector<16xf32> {
  // expected-error @+1 {{expected weights of 'vector<32xbf16>'; got 'vector<64xi8>'}}
  %0 = kernel.mma #kernel.x86_bf16 %w, %a, %s : vector<64xi8>, vector<2xbf16>, vector<16xf32>
  return %0 : vector<16xf32>
}

// -----

// M3
func.func @sums_of_floats(%w: vector<32xbf16>, %a: vector<2xbf16>, %s: vector<16xi32>) -> vector<16xi32> {
  // expected-error @+1 {{expected sums of 'vector<16xf32>'; got 'vector<16xi32>'}}
  %0 = kernel.mma #kernel.x86_bf16 %w, %a, %s : vector<32xbf16>, vector<2xbf16>, vector<16xi32>
  return %0 : vector<16xi32>
}
