"""C functions that several operations of a graph call."""

HELPERS = {
    "linear": """\
static void linear(const float *x, const float *W, const float *b, float *y, int rows, int inputs, int outputs)
{
    for (int row = 0; row < rows; row++, x += inputs, y += outputs)
        for (int output = 0; output < outputs; output++) {
            const float *w = W + (size_t)output * (size_t)inputs;
            float sum = 0;
            for (int input = 0; input < inputs; input++)
                sum += w[input] * x[input];
            y[output] = b ? sum + b[output] : sum;
        }
}
""",
    "linear_int8": """\
static void linear_int8(const float *x, const int8_t *W, const float *scale, const float *b, float *y, int rows,
                        int inputs, int outputs)
{
    for (int row = 0; row < rows; row++, x += inputs, y += outputs)
        for (int output = 0; output < outputs; output++) {
            const int8_t *w = W + (size_t)output * (size_t)inputs;
            float sum = 0;
            for (int input = 0; input < inputs; input++)
                sum += (float)w[input] * x[input];
            y[output] = b ? sum * scale[output] + b[output] : sum * scale[output];
        }
}
""",
    "sigmoid": """\
static float sigmoid(float x)
{
    return 1 / (1 + expf(-x));
}
""",
    "relu": """\
static float relu(float x)
{
    return x > 0 ? x : 0;
}
""",
    "softplus": """\
static float softplus(float x)
{
    return x > 20 ? x : log1pf(expf(x));
}
""",
    "square": """\
static float square(float x)
{
    return x * x;
}
""",
    "softmax": """\
static void softmax(const float *x, float *y, int rows, int width)
{
    for (int row = 0; row < rows; row++, x += width, y += width) {
        float most = x[0], sum = 0;
        for (int k = 1; k < width; k++)
            most = fmaxf(most, x[k]);
        for (int k = 0; k < width; k++)
            sum += y[k] = expf(x[k] - most);
        for (int k = 0; k < width; k++)
            y[k] /= sum;
    }
}
""",
}
"""By name; a file contains those that it calls."""
