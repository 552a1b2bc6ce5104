// Attention of packed segments on processors with AVX512-BF16, forward and backward. Loaded by `native.py`; see `attention.py`.
//
// Every segment attends causally to the shared prefix and to itself, within the sliding window if there is one. The backward computes
// probabilities again, as FlashAttention-2 does (https://arxiv.org/abs/2307.08691), and nothing but a strip of scores leaves the cache.
//
// Shapes: T tokens, K key-value heads, G query heads to each, D head dimension (a multiple of PANEL); bfloat16 queries [K, T, G, D],
// keys and values [K, T, D], output [T, K G D]; float32 log_sums [K, T, G], gradients of keys and values [K, T, D].
// A row is one query of one token: rows of a head are numbered token * G + query head. A place is a key that a segment may see: the
// prefix's tokens, then its own. Sums have a fixed order, so results do not depend on the number of threads.

#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

namespace {

using half = uint16_t;   // bfloat16
using pair = uint32_t;   // two of them, side by side: what the processor multiplies and adds at once
constexpr int64_t STRIP = 6, PANEL = 64;  // rows and columns of the product that is kept in registers
constexpr int64_t ROWS = 48;   // of a block: a multiple of STRIP, and even
constexpr int64_t PART = 256;  // tokens whose rows are one piece of work

struct Shape {
    int64_t tokens, heads, group, size;
    float scale;
};

struct Piece {  // rows of tokens first..last of the segment that begins at `start`, of one key-value head
    int64_t head, start, before, first, last;
    int64_t window;
    int64_t lowest(int64_t token) const { return window ? std::max<int64_t>(0, before + token - start - window + 1) : 0; }
    int64_t highest(int64_t token) const { return before + token - start + 1; }
    int64_t places() const { return highest(last - 1); }
    int64_t token(int64_t place) const { return place < before ? place : start + place - before; }
};

int64_t round_up(int64_t length) { return (length + PANEL - 1) / PANEL * PANEL; }

std::vector<Piece> cut(const int64_t* segments, int64_t count, int64_t prefix, int64_t window, const Shape& shape) {
    std::vector<Piece> pieces;
    for (int64_t s = 0; s < count; ++s)
        for (int64_t start = segments[2 * s], stop = segments[2 * s + 1], first = start; first < stop; first += PART)
            for (int64_t head = 0; head < shape.heads; ++head)
                pieces.push_back({head, start, start >= prefix ? prefix : 0, first, std::min(first + PART, stop), window});
    // the longest first, so that threads end together
    std::stable_sort(pieces.begin(), pieces.end(), [](const Piece& a, const Piece& b) {
        return (a.last - a.first) * a.places() > (b.last - b.first) * b.places();
    });
    return pieces;
}

// c[STRIP, PANEL] (+)= sum over pairs of a[row, pair] * b[pair, column]; a is read with strides of rows and of pairs
template <bool ADD>
inline void strip_product(const pair* a, int64_t row, int64_t step, const pair* b, int64_t width, int64_t pairs, float* c, int64_t line) {
    __m512 sum[STRIP][4];
#pragma GCC unroll 6
    for (int i = 0; i < STRIP; ++i)
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) sum[i][j] = ADD ? _mm512_loadu_ps(c + i * line + 16 * j) : _mm512_setzero_ps();
    for (int64_t p = 0; p < pairs; ++p) {
        __m512bh right[4];
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) right[j] = (__m512bh)_mm512_loadu_si512(b + p * width + 16 * j);
#pragma GCC unroll 6
        for (int i = 0; i < STRIP; ++i) {
            const __m512bh left = (__m512bh)_mm512_set1_epi32((int)a[i * row + p * step]);
#pragma GCC unroll 4
            for (int j = 0; j < 4; ++j) sum[i][j] = _mm512_dpbf16_ps(sum[i][j], left, right[j]);
        }
    }
#pragma GCC unroll 6
    for (int i = 0; i < STRIP; ++i)
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) _mm512_storeu_ps(c + i * line + 16 * j, sum[i][j]);
}

template <bool ADD>
void product(int64_t rows, const pair* a, int64_t row, int64_t step, const pair* b, int64_t width, int64_t pairs, float* c, int64_t line) {
    for (int64_t i = 0; i < rows; i += STRIP) strip_product<ADD>(a + i * row, row, step, b, width, pairs, c + i * line, line);
}

// e^x for x <= 0, to 2e-7
inline __m512 power(__m512 x) {
    const __m512 whole = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), _MM_FROUND_TO_NEAREST_INT);
    __m512 rest = _mm512_fnmadd_ps(whole, _mm512_set1_ps(0.693359375f), x);
    rest = _mm512_fnmadd_ps(whole, _mm512_set1_ps(-2.12194440e-4f), rest);
    __m512 sum = _mm512_set1_ps(1.3981999507e-3f);
    for (const float factor : {8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f, 1.0f, 1.0f})
        sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(factor));
    return _mm512_scalef_ps(sum, whole);
}

inline __m256i narrow(__m512 x) { return (__m256i)_mm512_cvtneps_pbh(x); }
inline __m512 widen(const half* x) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)x)), 16));
}

// 16 columns from `column` on, of which those in lowest..highest are seen
inline __mmask16 seen(int64_t column, int64_t lowest, int64_t highest) {
    const auto below = [&](int64_t bound) { return bound <= column ? 0u : bound >= column + 16 ? 0xffffu : (1u << (bound - column)) - 1; };
    return (__mmask16)(below(highest) & ~below(lowest));
}

void store_rounded(const float* from, half* to, int64_t size, float factor) {
    for (int64_t d = 0; d < size; d += 16)
        _mm256_storeu_si256((__m256i*)(to + d), narrow(_mm512_mul_ps(_mm512_loadu_ps(from + d), _mm512_set1_ps(factor))));
}

// heads [places, D] -> pairs of one place's numbers [D / 2, width], for products that sum over D
void pack_across(const half* heads, const Piece& piece, int64_t size, int64_t width, std::vector<pair>& packed) {
    packed.assign(size / 2 * width, 0);
    for (int64_t n = 0; n < piece.places(); ++n) {
        const half* row = heads + piece.token(n) * size;
        for (int64_t p = 0; p < size / 2; ++p) std::memcpy(&packed[p * width + n], row + 2 * p, sizeof(pair));
    }
}

// heads [places, D] -> pairs of neighbouring places [width / 2, D], for products that sum over places
void pack_along(const half* heads, const Piece& piece, int64_t size, int64_t width, std::vector<pair>& packed) {
    packed.assign(width / 2 * size, 0);
    for (int64_t n = 0; n < piece.places(); ++n) {
        const half* row = heads + piece.token(n) * size;
        pair* to = &packed[n / 2 * size];
        for (int64_t d = 0; d < size; ++d) to[d] |= (pair)row[d] << (16 * (n % 2));
    }
}

// rows [count, D] of a block, with lines of `line` numbers -> themselves one behind the other, and pairs of neighbouring rows [ROWS / 2, D]
struct Block {
    std::vector<half> rows;
    std::vector<pair> along;
    void take(int64_t count, int64_t size) {
        rows.assign(ROWS * size, 0);
        along.assign(ROWS / 2 * size, 0);
        filled = count;
    }
    void set(int64_t i, const half* row, int64_t size) {
        std::memcpy(&rows[i * size], row, size * sizeof(half));
        for (int64_t d = 0; d < size; ++d) along[i / 2 * size + d] |= (pair)row[d] << (16 * (i % 2));
    }
    const pair* pairs() const { return (const pair*)rows.data(); }
    int64_t strips() const { return (filled + STRIP - 1) / STRIP * STRIP; }
    int64_t filled = 0;
};

struct Forward {
    const half *queries, *keys, *values;
    half* output;
    float* log_sums;
    Shape shape;
    std::vector<pair> key_pairs, value_pairs;
    std::vector<float> scores, sums = std::vector<float>(ROWS * 256);
    std::vector<half> powers;
    Block block;

    void run(const Piece& piece) {
        const int64_t size = shape.size, width = round_up(piece.places()), group = shape.group;
        pack_across(keys + piece.head * shape.tokens * size, piece, size, width, key_pairs);
        pack_along(values + piece.head * shape.tokens * size, piece, size, width, value_pairs);
        scores.resize(ROWS * width);
        powers.resize(ROWS * width);
        for (int64_t row = piece.first * group; row < piece.last * group; row += ROWS) rows(piece, row, width);
    }

    void rows(const Piece& piece, int64_t row, int64_t width) {
        const int64_t size = shape.size, group = shape.group, count = std::min(ROWS, piece.last * group - row);
        const half* from = queries + (piece.head * shape.tokens * group + row) * size;
        block.take(count, size);
        for (int64_t i = 0; i < count; ++i) block.set(i, from + i * size, size);
        const int64_t low = piece.lowest(row / group) / PANEL * PANEL, high = round_up(piece.highest((row + count - 1) / group));
        for (int64_t n = low; n < high; n += PANEL)
            product<false>(block.strips(), block.pairs(), size / 2, 1, &key_pairs[n], width, size / 2, &scores[n], width);
        float totals[ROWS] = {};
        for (int64_t i = 0; i < count; ++i) totals[i] = soften(piece, row + i, &scores[i * width], &powers[i * width], low, high);
        for (int64_t d = 0; d < size; d += PANEL)
            product<false>(block.strips(), (const pair*)powers.data() + low / 2, width / 2, 1, &value_pairs[low / 2 * size + d], size,
                           (high - low) / 2, &sums[d], size);
        for (int64_t i = 0; i < count; ++i) {
            const int64_t token = (row + i) / group, head = piece.head * group + (row + i) % group;
            store_rounded(&sums[i * size], output + (token * shape.heads * group + head) * size, size, 1 / totals[i]);
        }
    }

    // One row of scores to exponentials; notes the logarithm of their sum and returns it
    float soften(const Piece& piece, int64_t row, const float* scores, half* powers, int64_t low, int64_t high) {
        const int64_t token = row / shape.group, lowest = piece.lowest(token), highest = piece.highest(token);
        __m512 top = _mm512_set1_ps(-INFINITY), total = _mm512_setzero_ps();
        for (int64_t n = low; n < high; n += 16) top = _mm512_mask_max_ps(top, seen(n, lowest, highest), top, _mm512_loadu_ps(scores + n));
        const float most = _mm512_reduce_max_ps(top);
        for (int64_t n = low; n < high; n += 16) {
            const __m512 distance = _mm512_mul_ps(_mm512_sub_ps(_mm512_loadu_ps(scores + n), _mm512_set1_ps(most)), _mm512_set1_ps(shape.scale));
            const __m512 value = _mm512_maskz_mov_ps(seen(n, lowest, highest), power(distance));
            total = _mm512_add_ps(total, value);
            _mm256_storeu_si256((__m256i*)(powers + n), narrow(value));
        }
        const float sum = _mm512_reduce_add_ps(total);
        log_sums[piece.head * shape.tokens * shape.group + row] = most * shape.scale + std::log(sum);
        return sum;
    }
};

struct Backward {
    const half *queries, *keys, *values, *output, *gradient;
    const float* log_sums;
    half* d_queries;
    Shape shape;
    std::vector<pair> key_across, value_across, key_along;
    std::vector<float> d_rows = std::vector<float>(ROWS * 256);
    Block query, arriving;
    alignas(64) float scores[ROWS * PANEL], uppers[ROWS * PANEL];
    alignas(64) half d_scores[ROWS * PANEL];
    // pairs of neighbouring rows, STRIP more columns than a panel: its last strip of places reaches behind it
    alignas(64) pair powers_along[ROWS / 2 * (PANEL + STRIP)] = {}, d_scores_along[ROWS / 2 * (PANEL + STRIP)] = {};

    // Gradients of keys and values [places + STRIP, D] from the rows of this piece
    void run(const Piece& piece, std::vector<float>& d_keys, std::vector<float>& d_values) {
        const int64_t size = shape.size, width = round_up(piece.places()), offset = piece.head * shape.tokens * size;
        pack_across(keys + offset, piece, size, width, key_across);
        pack_across(values + offset, piece, size, width, value_across);
        pack_along(keys + offset, piece, size, width, key_along);
        d_keys.assign((width + STRIP) * size, 0);
        d_values.assign((width + STRIP) * size, 0);
        for (int64_t row = piece.first * shape.group; row < piece.last * shape.group; row += ROWS)
            rows(piece, row, width, d_keys.data(), d_values.data());
    }

    void rows(const Piece& piece, int64_t row, int64_t width, float* d_keys, float* d_values) {
        const int64_t size = shape.size, group = shape.group, count = std::min(ROWS, piece.last * group - row);
        const int64_t place = piece.head * shape.tokens * group + row;
        float deltas[ROWS] = {}, logs[ROWS] = {};
        query.take(count, size);
        arriving.take(count, size);
        for (int64_t i = 0; i < count; ++i) {
            const int64_t token = (row + i) / group, head = piece.head * group + (row + i) % group;
            const int64_t there = (token * shape.heads * group + head) * size;
            query.set(i, queries + (place + i) * size, size);
            arriving.set(i, gradient + there, size);
            deltas[i] = inner(gradient + there, output + there, size);
            logs[i] = log_sums[place + i];
        }
        std::fill_n(d_rows.begin(), ROWS * size, 0.f);
        const int64_t low = piece.lowest(row / group) / PANEL * PANEL, high = piece.highest((row + count - 1) / group);
        for (int64_t n = low; n < high; n += PANEL) {
            product<false>(query.strips(), query.pairs(), size / 2, 1, &key_across[n], width, size / 2, scores, PANEL);
            product<false>(query.strips(), arriving.pairs(), size / 2, 1, &value_across[n], width, size / 2, uppers, PANEL);
            for (int64_t i = 0; i < ROWS; i += 2) differentiate(piece, row, i, count, n, deltas, logs);
            for (int64_t d = 0; d < size; d += PANEL) {
                product<true>(query.strips(), (const pair*)d_scores, PANEL / 2, 1, &key_along[n / 2 * size + d], size, PANEL / 2, &d_rows[d], size);
                product<true>(PANEL, d_scores_along, 1, PANEL + STRIP, &query.along[d], size, ROWS / 2, d_keys + n * size + d, size);
                product<true>(PANEL, powers_along, 1, PANEL + STRIP, &arriving.along[d], size, ROWS / 2, d_values + n * size + d, size);
            }
        }
        for (int64_t i = 0; i < count; ++i) store_rounded(&d_rows[i * size], d_queries + (place + i) * size, size, 1);
    }

    static float inner(const half* a, const half* b, int64_t size) {
        __m512 sum = _mm512_setzero_ps();
        for (int64_t d = 0; d < size; d += 16) sum = _mm512_fmadd_ps(widen(a + d), widen(b + d), sum);
        return _mm512_reduce_add_ps(sum);
    }

    // Scores of two neighbouring rows to probabilities, and to the gradient of the scores
    void differentiate(const Piece& piece, int64_t row, int64_t i, int64_t count, int64_t column, const float* deltas, const float* logs) {
        for (int64_t n = 0; n < PANEL; n += 16) {
            __m512i power_pair = _mm512_setzero_si512(), gradient_pair = _mm512_setzero_si512();
            for (int64_t k = 0; k < 2; ++k) {
                const int64_t token = (row + i + k) / shape.group, at = (i + k) * PANEL + n;
                const __mmask16 mask = i + k < count ? seen(column + n, piece.lowest(token), piece.highest(token)) : 0;
                const __m512 score = _mm512_fmsub_ps(_mm512_load_ps(scores + at), _mm512_set1_ps(shape.scale), _mm512_set1_ps(logs[i + k]));
                const __m512 probability = _mm512_maskz_mov_ps(mask, power(score));
                const __m512 distance = _mm512_maskz_sub_ps(mask, _mm512_load_ps(uppers + at), _mm512_set1_ps(deltas[i + k]));
                const __m256i halves = narrow(_mm512_mul_ps(_mm512_mul_ps(probability, distance), _mm512_set1_ps(shape.scale)));
                _mm256_store_si256((__m256i*)(d_scores + at), halves);
                const __m512i lifted = _mm512_cvtepu16_epi32(halves), powers = _mm512_cvtepu16_epi32(narrow(probability));
                gradient_pair = k ? _mm512_or_si512(gradient_pair, _mm512_slli_epi32(lifted, 16)) : lifted;
                power_pair = k ? _mm512_or_si512(power_pair, _mm512_slli_epi32(powers, 16)) : powers;
            }
            _mm512_storeu_si512(d_scores_along + i / 2 * (PANEL + STRIP) + n, gradient_pair);
            _mm512_storeu_si512(powers_along + i / 2 * (PANEL + STRIP) + n, power_pair);
        }
    }
};

}  // namespace

extern "C" void attention_forward(const half* queries, const half* keys, const half* values, half* output, float* log_sums,
                                  const int64_t* segments, int64_t count, int64_t prefix, int64_t window, int64_t tokens, int64_t heads,
                                  int64_t group, int64_t size, int64_t threads) {
    const Shape shape{tokens, heads, group, size, 1 / std::sqrt((float)size)};
    const std::vector<Piece> pieces = cut(segments, count, prefix, window, shape);
#pragma omp parallel num_threads(threads)
    {
        Forward forward{queries, keys, values, output, log_sums, shape};
#pragma omp for schedule(dynamic)
        for (size_t number = 0; number < pieces.size(); ++number) forward.run(pieces[number]);
    }
}

extern "C" void attention_backward(const half* queries, const half* keys, const half* values, const half* output, const half* gradient,
                                   const float* log_sums, half* d_queries, float* d_keys, float* d_values, const int64_t* segments,
                                   int64_t count, int64_t prefix, int64_t window, int64_t tokens, int64_t heads, int64_t group, int64_t size,
                                   int64_t threads) {
    const Shape shape{tokens, heads, group, size, 1 / std::sqrt((float)size)};
    const std::vector<Piece> pieces = cut(segments, count, prefix, window, shape);
    std::vector<std::vector<float>> of_keys(pieces.size()), of_values(pieces.size());
#pragma omp parallel num_threads(threads)
    {
        Backward backward{queries, keys, values, output, gradient, log_sums, d_queries, shape};
#pragma omp for schedule(dynamic)
        for (size_t number = 0; number < pieces.size(); ++number) backward.run(pieces[number], of_keys[number], of_values[number]);
#pragma omp for
        for (int64_t head = 0; head < heads; ++head) {
            std::fill_n(d_keys + head * tokens * size, tokens * size, 0.f);
            std::fill_n(d_values + head * tokens * size, tokens * size, 0.f);
            for (size_t number = 0; number < pieces.size(); ++number) {
                const Piece& piece = pieces[number];
                if (piece.head != head) continue;
                for (int64_t n = piece.lowest(piece.first); n < piece.places(); ++n) {
                    const int64_t to = (head * tokens + piece.token(n)) * size, from = n * size;
                    for (int64_t d = 0; d < size; ++d) d_keys[to + d] += of_keys[number][from + d];
                    for (int64_t d = 0; d < size; ++d) d_values[to + d] += of_values[number][from + d];
                }
            }
        }
    }
}
