// RUN: terse-opt %s | terse-opt | FileCheck %s
// RUN: terse-opt %s --one-shot-bufferize="bufferize-function-boundaries function-boundary-type-conversion=identity-layout-map" --canonicalize | FileCheck %s --check-prefix=BUFFER

func.func private @gemv(memref<?x8xf32>, memref<4x8xi8>, f32, memref<?x4xf32>, index, index)

// CHECK-LABEL: func.func @launch
// CHECK: kernel.weight "w" at 4096 : tensor<4x8xi8>
// CHECK: kernel.launch @gemv ins(%{{.*}}, %{{.*}}, %{{.*}} : tensor<?x8xf32>, tensor<4x8xi8>, f32) outs(%{{.*}} : tensor<?x4xf32>) -> tensor<?x4xf32>
// BUFFER-LABEL: func.func @launch
// BUFFER-SAME: %[[X:.*]]: memref<?x8xf32>, %[[S:.*]]: f32, %[[Y:.*]]: memref<?x4xf32>
// BUFFER: %[[W:.*]] = kernel.weight "w" at 4096 : memref<4x8xi8>
// BUFFER-NOT: memref.copy
// BUFFER: kernel.launch @gemv ins(%[[X]], %[[W]], %[[S]] : memref<?x8xf32>, memref<4x8xi8>, f32) outs(%[[Y]] : memref<?x4xf32>){{$}}
func.func @launch(%x: tensor<?x8xf32>, %s: f32, %y: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %w = kernel.weight "w" at 4096 : tensor<4x8xi8>
  %r = kernel.launch @gemv ins(%x, %w, %s : tensor<?x8xf32>, tensor<4x8xi8>, f32) outs(%y : tensor<?x4xf32>) -> tensor<?x4xf32>
  return %r : tensor<?x4xf32>
}

// A part of a larger buffer does not lie as the kernel expects it.
// BUFFER-LABEL: func.func @part
// BUFFER: %[[PART:.*]] = memref.subview
// BUFFER: %[[COPY:.*]] = memref.alloc
// BUFFER: memref.copy %[[PART]], %[[COPY]]
// BUFFER: kernel.launch @gemv ins(%[[COPY]],
func.func @part(%x: tensor<?x16xf32>, %s: f32, %n: index, %y: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %w = kernel.weight "w" at 0 : tensor<4x8xi8>
  %part = tensor.extract_slice %x[0, 0] [%n, 8] [1, 1] : tensor<?x16xf32> to tensor<?x8xf32>
  %r = kernel.launch @gemv ins(%part, %w, %s : tensor<?x8xf32>, tensor<4x8xi8>, f32) outs(%y : tensor<?x4xf32>) -> tensor<?x4xf32>
  return %r : tensor<?x4xf32>
}

func.func private @fill(memref<4xf32>, index, index)

// CHECK-LABEL: func.func @buffers
// CHECK: kernel.launch serial @fill outs(%{{.*}} : memref<4xf32>)
// CHECK-NEXT: kernel.barrier
func.func @buffers(%x: memref<4xf32>) {
  kernel.launch serial @fill outs(%x : memref<4xf32>)
  kernel.barrier
  return
}

// CHECK-LABEL: func.func @ahead
// CHECK: kernel.barrier ahead(%{{.*}} : memref<704x8192xi8>)
func.func @ahead(%w: memref<704x8192xi8>) {
  kernel.barrier ahead(%w : memref<704x8192xi8>)
  return
}
