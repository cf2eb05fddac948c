// Kernels that TensorFlow lacks: each does in one pass over memory what takes from three to eleven of TensorFlow's own. All
// tensors are float32 and lie row by row. ../src/engine/native/fused.ts calls them.
#include <tensorflow/c/kernels.h>
#include <tensorflow/c/ops.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace {

// ---- Threads ---------------------------------------------------------------------------------------------------------------

/** Work is parted only where each thread has this many numbers to compute: waking a thread takes as long as a few thousand. */
constexpr int64_t kNumbersPerPart = 16384;

/** Threads that wait for work; as long as the process lives, since Node ends without a word to libraries. */
class Pool {
 public:
  using Work = std::function<void(int64_t from, int64_t to)>;

  static Pool& shared() {
    static Pool* pool = new Pool;
    return *pool;
  }

  /** Calls `work` on parts of 0 … count, on several threads, where they are many enough. @param cost numbers behind each */
  void share(int64_t count, int64_t cost, const Work& work) {
    const int64_t parts = std::min<int64_t>({count, count * cost / kNumbersPerPart, 4 * (helpers_ + 1)});
    std::unique_lock<std::mutex> alone(turn_, std::defer_lock);
    // A second JavaScript thread does not wait for the first, but computes by itself.
    if (helpers_ == 0 || parts < 2 || !alone.try_lock()) return work(0, count);
    Job job{work, count, parts};
    std::unique_lock<std::mutex> lock(mutex_);
    job_ = &job;
    ++number_;
    lock.unlock();
    wake_.notify_all();
    job.help();
    lock.lock();
    job_ = nullptr;
    idle_.wait(lock, [&] { return helping_ == 0; });
  }

 private:
  struct Job {
    const Work& work;
    const int64_t count;
    const int64_t parts;
    std::atomic<int64_t> next{0};

    void help() {
      for (int64_t part; (part = next++) < parts;) work(part * count / parts, (part + 1) * count / parts);
    }
  };

  Pool() : helpers_(static_cast<int64_t>(std::max(1u, std::thread::hardware_concurrency())) - 1) {
    for (int64_t i = 0; i < helpers_; ++i) std::thread([this] { wait(); }).detach();
  }

  void wait() {
    int64_t seen = 0;
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      wake_.wait(lock, [&] { return job_ != nullptr && number_ != seen; });
      seen = number_;
      Job* job = job_;
      ++helping_;
      lock.unlock();
      job->help();
      lock.lock();
      if (--helping_ == 0) idle_.notify_one();
    }
  }

  const int64_t helpers_;
  std::mutex turn_, mutex_;
  std::condition_variable wake_, idle_;
  Job* job_ = nullptr;
  int64_t number_ = 0;
  int64_t helping_ = 0;
};

// ---- Functions of one number, written so that compilers make vectors of them -----------------------------------------------

#define INLINE inline __attribute__((always_inline))

/** eˣ of x ≤ 0: 2ⁿ·eʳ with |r| ≤ ln 2 / 2, and eʳ by its Taylor series, to 2e-7, relative; 0 below -88. NaN stays NaN. */
INLINE float exponential(float x) {
  x = x < -88.0f ? -88.0f : x;
  const float n = std::nearbyint(x * 1.44269504f);
  const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;  // ln 2 in two parts, the first exact in few bits
  const float r2 = r * r;
  const float low = (1 + r) + (1.0f / 2 + r * (1.0f / 6)) * r2;
  const float high = (1.0f / 24 + r * (1.0f / 120)) + (1.0f / 720 + r * (1.0f / 5040)) * r2;
  const float series = low + high * (r2 * r2);
  const int32_t bits = (static_cast<int32_t>(n) + 127) << 23;
  float power;
  std::memcpy(&power, &bits, sizeof power);
  return series * power;
}

INLINE float sigmoid(float x) {
  const float e = exponential(-std::fabs(x));
  return (x < 0 ? e : 1.0f) / (1.0f + e);
}

/**
 * Φ(x), the normal distribution function, given e^(-x²/2). Φ(-a)·e^(a²/2)·(1 + 0.34·a) is a polynomial in 1 / (1 + 0.34·a), for
 * a from 0 to 14, fitted here by least squares of relative errors: to 1.5e-7.
 */
INLINE float normal(float x, float bell) {
  const float t = 1.0f / (1.0f + 0.34f * std::fabs(x));
  const float t2 = t * t;
  const float low = (0.135620504618f + 0.136112242937f * t) + (0.115197204053f + 0.115361258388f * t) * t2;
  const float high = (-0.044724177569f + 0.202192172408f * t) + (-0.273142129183f + 0.139504566789f * t) * t2;
  const float p = low + (high - 0.026121629402f * (t2 * t2)) * (t2 * t2);
  const float tail = p * t * bell;
  return x > 0 ? 1.0f - tail : tail;
}

struct Gelu {
  static INLINE float value(float x) { return x * normal(x, exponential(-0.5f * x * x)); }
  static INLINE float slope(float x) {
    const float bell = exponential(-0.5f * x * x);
    return normal(x, bell) + x * bell * 0.398942280f;  // 1 / √(2π)
  }
};

struct GeluTanh {
  static constexpr float inner = 1.59576912f;  // 2·√(2/π)
  static INLINE float value(float x) { return x * sigmoid(inner * (x + 0.044715f * x * x * x)); }
  static INLINE float slope(float x) {
    const float s = sigmoid(inner * (x + 0.044715f * x * x * x));
    return s + x * s * (1 - s) * inner * (1 + 3 * 0.044715f * x * x);
  }
};

struct Silu {
  static INLINE float value(float x) { return x * sigmoid(x); }
  static INLINE float slope(float x) {
    const float s = sigmoid(x);
    return s + x * s * (1 - s);
  }
};

struct QuickGelu {
  static INLINE float value(float x) { return x * sigmoid(1.702f * x); }
  static INLINE float slope(float x) {
    const float s = sigmoid(1.702f * x);
    return s + 1.702f * x * s * (1 - s);
  }
};

// ---- One call of a kernel --------------------------------------------------------------------------------------------------

using Shape = std::vector<int64_t>;

struct Tensor {
  float* data;
  Shape shape;
  int64_t size;

  /** Its last dimension. */
  int64_t columns() const { return shape.empty() ? 1 : shape.back(); }
  int64_t rows() const { return columns() == 0 ? 0 : size / columns(); }
};

/** Thrown when a call has been told that it failed. */
struct Failed {};

class Call {
 public:
  explicit Call(TF_OpKernelContext* context) : context_(context), status_(TF_NewStatus()) {}
  ~Call() {
    for (TF_Tensor* tensor : held_) TF_DeleteTensor(tensor);
    TF_DeleteStatus(status_);
  }

  Tensor input(int i) {
    TF_Tensor* tensor = nullptr;
    TF_GetInput(context_, i, &tensor, status_);
    return describe(tensor);
  }

  Tensor output(int i, const Shape& shape) {
    size_t bytes = sizeof(float);
    for (int64_t n : shape) bytes *= static_cast<size_t>(n);
    return describe(TF_AllocateOutput(context_, i, TF_FLOAT, shape.data(), static_cast<int>(shape.size()), bytes, status_));
  }

  float number(int i) {
    const Tensor scalar = input(i);
    check(scalar.size == 1);
    return *scalar.data;
  }

  void check(bool fits, const char* message = "the shapes do not belong together") {
    if (fits) return;
    TF_SetStatus(status_, TF_INVALID_ARGUMENT, message);
    fail();
  }

 private:
  Tensor describe(TF_Tensor* tensor) {
    if (tensor == nullptr || TF_GetCode(status_) != TF_OK) fail();
    held_.push_back(tensor);
    Tensor out{static_cast<float*>(TF_TensorData(tensor)), {}, TF_TensorElementCount(tensor)};
    for (int d = 0; d < TF_NumDims(tensor); ++d) out.shape.push_back(TF_Dim(tensor, d));
    return out;
  }

  [[noreturn]] void fail() {
    TF_OpKernelContext_Failure(context_, status_);
    throw Failed{};
  }

  TF_OpKernelContext* context_;
  TF_Status* status_;
  std::vector<TF_Tensor*> held_;
};

// ---- Kernels ---------------------------------------------------------------------------------------------------------------

/** x → y */
template <class F>
void activation(Call& call) {
  const Tensor x = call.input(0), y = call.output(0, x.shape);
  Pool::shared().share(x.size, 1, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i) y.data[i] = F::value(x.data[i]);
  });
}

/** dy, x → dx */
template <class F>
void activationGrad(Call& call) {
  const Tensor dy = call.input(0), x = call.input(1), dx = call.output(0, x.shape);
  call.check(dy.size == x.size);
  Pool::shared().share(x.size, 1, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i) dx.data[i] = dy.data[i] * F::slope(x.data[i]);
  });
}

/** gate, up → silu(gate)·up */
void swiglu(Call& call) {
  const Tensor gate = call.input(0), up = call.input(1), y = call.output(0, gate.shape);
  call.check(up.size == gate.size);
  Pool::shared().share(gate.size, 1, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i) y.data[i] = Silu::value(gate.data[i]) * up.data[i];
  });
}

/** dy, gate, up → the gradients of gate and of up */
void swigluGrad(Call& call) {
  const Tensor dy = call.input(0), gate = call.input(1), up = call.input(2);
  const Tensor dGate = call.output(0, gate.shape), dUp = call.output(1, gate.shape);
  call.check(dy.size == gate.size && up.size == gate.size);
  Pool::shared().share(gate.size, 1, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i) {
      const float g = gate.data[i], s = sigmoid(g);
      dGate.data[i] = dy.data[i] * up.data[i] * (s + g * s * (1 - s));
      dUp.data[i] = dy.data[i] * g * s;
    }
  });
}

struct Moments {
  float mean, inverse;
};

/** The mean of a row, where it counts, and 1 / √(the mean square of what it leaves + eps). */
template <bool centred>
INLINE Moments moments(const float* x, int64_t n, float eps) {
  float mean = 0, squares = 0;
  if (centred) {
#pragma omp simd reduction(+ : mean)
    for (int64_t i = 0; i < n; ++i) mean += x[i];
    mean /= static_cast<float>(n);
  }
#pragma omp simd reduction(+ : squares)
  for (int64_t i = 0; i < n; ++i) squares += (x[i] - mean) * (x[i] - mean);
  return {mean, 1.0f / std::sqrt(squares / static_cast<float>(n) + eps)};
}

/** x [N, C], weight [C], bias [C] or [0], eps → y [N, C] */
template <bool centred>
void norm(Call& call) {
  const Tensor x = call.input(0), weight = call.input(1), bias = call.input(2), y = call.output(0, x.shape);
  const float eps = call.number(3);
  const int64_t n = x.columns();
  call.check(weight.size == n && (bias.size == n || bias.size == 0));
  Pool::shared().share(x.rows(), n, [&](int64_t from, int64_t to) {
    for (int64_t row = from; row < to; ++row) {
      const float* in = x.data + row * n;
      float* out = y.data + row * n;
      const auto [mean, inverse] = moments<centred>(in, n, eps);
      if (bias.size == 0)
        for (int64_t i = 0; i < n; ++i) out[i] = (in[i] - mean) * inverse * weight.data[i];
      else
        for (int64_t i = 0; i < n; ++i) out[i] = (in[i] - mean) * inverse * weight.data[i] + bias.data[i];
    }
  });
}

/** dy [N, C], x [N, C], weight [C], eps → dx [N, C] */
template <bool centred>
void normGrad(Call& call) {
  const Tensor dy = call.input(0), x = call.input(1), weight = call.input(2), dx = call.output(0, x.shape);
  const float eps = call.number(3);
  const int64_t n = x.columns();
  call.check(dy.size == x.size && weight.size == n);
  Pool::shared().share(x.rows(), n, [&](int64_t from, int64_t to) {
    for (int64_t row = from; row < to; ++row) {
      const float *in = x.data + row * n, *d = dy.data + row * n, *w = weight.data;
      float* out = dx.data + row * n;
      const auto [mean, inverse] = moments<centred>(in, n, eps);
      float sum = 0, along = 0;
#pragma omp simd reduction(+ : sum, along)
      for (int64_t i = 0; i < n; ++i) {
        sum += d[i] * w[i];
        along += d[i] * w[i] * (in[i] - mean);
      }
      const float shift = centred ? sum / static_cast<float>(n) : 0;
      const float tilt = along * inverse * inverse / static_cast<float>(n);
      for (int64_t i = 0; i < n; ++i) out[i] = (d[i] * w[i] - shift - (in[i] - mean) * tilt) * inverse;
    }
  });
}

/** Row by row exp(x - maximum) / Σ, of x times scale plus mask. @returns log Σ exp */
INLINE float softmaxRow(const float* x, const float* mask, float scale, float* out, int64_t n) {
  float top = -INFINITY, sum = 0;
  if (mask)
    for (int64_t i = 0; i < n; ++i) out[i] = x[i] * scale + mask[i];
  else
    for (int64_t i = 0; i < n; ++i) out[i] = x[i] * scale;
#pragma omp simd reduction(max : top)
  for (int64_t i = 0; i < n; ++i) top = out[i] > top ? out[i] : top;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) sum += out[i] = exponential(out[i] - top);
  const float share = 1.0f / sum;
  for (int64_t i = 0; i < n; ++i) out[i] *= share;
  return top + std::log(sum);
}

/** scores [B, H, T, S], mask [B or 1, H or 1, T or 1, S] or [0], scale → softmax(scores·scale + mask) */
void softmax(Call& call) {
  const Tensor x = call.input(0), mask = call.input(1), y = call.output(0, x.shape);
  const float scale = call.number(2);
  const int64_t n = x.columns();
  int64_t steps[3] = {0, 0, 0}, step = n;
  if (mask.size > 0) {
    call.check(x.shape.size() == 4 && mask.shape.size() == 4 && mask.columns() == n);
    for (int d = 2; d >= 0; --d) {
      call.check(mask.shape[d] == 1 || mask.shape[d] == x.shape[d]);
      if (mask.shape[d] > 1) steps[d] = step;
      step *= mask.shape[d];
    }
  }
  Pool::shared().share(x.rows(), n, [&](int64_t from, int64_t to) {
    for (int64_t row = from; row < to; ++row) {
      const float* shift = nullptr;
      if (mask.size > 0) {
        const int64_t t = row % x.shape[2], h = row / x.shape[2] % x.shape[1], b = row / x.shape[2] / x.shape[1];
        shift = mask.data + b * steps[0] + h * steps[1] + t * steps[2];
      }
      softmaxRow(x.data + row * n, shift, scale, y.data + row * n, n);
    }
  });
}

/** dp, probabilities p, scale → the gradient of the scores before they were scaled */
void softmaxGrad(Call& call) {
  const Tensor dp = call.input(0), p = call.input(1), dx = call.output(0, p.shape);
  const float scale = call.number(2);
  const int64_t n = p.columns();
  call.check(dp.size == p.size);
  Pool::shared().share(p.rows(), n, [&](int64_t from, int64_t to) {
    for (int64_t row = from; row < to; ++row) {
      const float *share = p.data + row * n, *d = dp.data + row * n;
      float* out = dx.data + row * n;
      float inner = 0;
#pragma omp simd reduction(+ : inner)
      for (int64_t i = 0; i < n; ++i) inner += share[i] * d[i];
      for (int64_t i = 0; i < n; ++i) out[i] = share[i] * (d[i] - inner) * scale;
    }
  });
}

/** x [N, H, D], cos and sin [N, D], sin's first half negative → y [N, H, D]. Its gradient is its transpose. */
template <bool transposed>
void rotary(Call& call) {
  const Tensor x = call.input(0), cos = call.input(1), sin = call.input(2), y = call.output(0, x.shape);
  call.check(x.shape.size() == 3 && sin.size == cos.size && cos.rows() == x.shape[0] && cos.columns() == x.shape[2]);
  const int64_t heads = x.shape[1], width = x.shape[2], half = width / 2;
  Pool::shared().share(x.rows(), width, [&](int64_t from, int64_t to) {
    for (int64_t row = from; row < to; ++row) {
      const float *in = x.data + row * width, *c = cos.data + row / heads * width, *s = sin.data + row / heads * width;
      float* out = y.data + row * width;
      for (int64_t i = 0; i < half; ++i) {
        const float a = in[i], b = in[half + i];
        out[i] = a * c[i] + b * s[transposed ? half + i : i];
        out[half + i] = b * c[half + i] + a * s[transposed ? i : half + i];
      }
    }
  });
}

/** logits [M, V], at [M, 2], the places of labels in them → -log softmax(logits)[label] [M], softmax(logits) [M, V] */
void crossEntropy(Call& call) {
  const Tensor logits = call.input(0), at = call.input(1);
  const int64_t rows = logits.rows(), n = logits.columns();
  const Tensor losses = call.output(0, {rows}), p = call.output(1, logits.shape);
  const int32_t* places = reinterpret_cast<const int32_t*>(at.data);
  call.check(at.size == 2 * rows);
  for (int64_t row = 0; row < rows; ++row)
    call.check(places[2 * row] == row && places[2 * row + 1] >= 0 && places[2 * row + 1] < n, "a label is not in its row");
  Pool::shared().share(rows, n, [&](int64_t from, int64_t to) {
    for (int64_t row = from; row < to; ++row)
      losses.data[row] = softmaxRow(logits.data + row * n, nullptr, 1, p.data + row * n, n) - logits.data[row * n + places[2 * row + 1]];
  });
}

// ---- Registration ----------------------------------------------------------------------------------------------------------

template <void (*kernel)(Call&)>
void compute(void*, TF_OpKernelContext* context) {
  Call call(context);
  try {
    kernel(call);
  } catch (const Failed&) {
    // TensorFlow has been told.
  }
}

/** @param inputs names with types, as TensorFlow declares them */
template <void (*kernel)(Call&)>
void add(const char* name, const std::vector<const char*>& inputs, const std::vector<const char*>& outputs) {
  TF_OpDefinitionBuilder* op = TF_NewOpDefinitionBuilder(name);
  for (const char* input : inputs) TF_OpDefinitionBuilderAddInput(op, input);
  for (const char* output : outputs) TF_OpDefinitionBuilderAddOutput(op, output);
  TF_OpDefinitionBuilderSetShapeInferenceFunction(op, &TF_ShapeInferenceContextSetUnknownShape);
  TF_Status* status = TF_NewStatus();
  TF_RegisterOpDefinition(op, status);
  if (TF_GetCode(status) == TF_OK)
    TF_RegisterKernelBuilder(name, TF_NewKernelBuilder(name, "CPU", nullptr, &compute<kernel>, nullptr), status);
  TF_DeleteStatus(status);
}

template <class F>
void addActivation(const std::string& name) {
  add<activation<F>>(name.c_str(), {"x: float"}, {"y: float"});
  add<activationGrad<F>>((name + "Grad").c_str(), {"dy: float", "x: float"}, {"dx: float"});
}

void addAll() {
  addActivation<Gelu>("PeftGelu");
  addActivation<GeluTanh>("PeftGeluTanh");
  addActivation<Silu>("PeftSilu");
  addActivation<QuickGelu>("PeftQuickGelu");
  add<swiglu>("PeftSwiglu", {"gate: float", "up: float"}, {"y: float"});
  add<swigluGrad>("PeftSwigluGrad", {"dy: float", "gate: float", "up: float"}, {"gate_gradient: float", "up_gradient: float"});
  add<norm<true>>("PeftLayerNorm", {"x: float", "weight: float", "bias: float", "eps: float"}, {"y: float"});
  add<norm<false>>("PeftRmsNorm", {"x: float", "weight: float", "bias: float", "eps: float"}, {"y: float"});
  add<normGrad<true>>("PeftLayerNormGrad", {"dy: float", "x: float", "weight: float", "eps: float"}, {"dx: float"});
  add<normGrad<false>>("PeftRmsNormGrad", {"dy: float", "x: float", "weight: float", "eps: float"}, {"dx: float"});
  add<softmax>("PeftSoftmax", {"scores: float", "mask: float", "scale: float"}, {"y: float"});
  add<softmaxGrad>("PeftSoftmaxGrad", {"dy: float", "y: float", "scale: float"}, {"dx: float"});
  add<rotary<false>>("PeftRotary", {"x: float", "cos: float", "sin: float"}, {"y: float"});
  add<rotary<true>>("PeftRotaryGrad", {"dy: float", "cos: float", "sin: float"}, {"dx: float"});
  add<crossEntropy>("PeftCrossEntropy", {"logits: float", "at: int32"}, {"losses: float", "probabilities: float"});
}

}  // namespace

/** Node loads the library as an add-on; it has nothing for JavaScript but what TensorFlow then knows. */
extern "C" __attribute__((visibility("default"))) void* napi_register_module_v1(void*, void* exports) {
  static std::once_flag once;
  std::call_once(once, addAll);
  return exports;
}
