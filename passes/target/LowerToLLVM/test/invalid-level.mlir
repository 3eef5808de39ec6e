// RUN: terse-opt %s --terse-lower-to-llvm=level=sse9 -verify-diagnostics

// expected-error @+1 {{expected the level baseline, avx2, avx512vnni or avx512bf16; got 'sse9'}}
module {
}
