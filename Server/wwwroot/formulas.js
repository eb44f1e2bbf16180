// The activations' formulas, and what they are with a number in them. `with` leaves out what would only repeat the result.

const put = value => value < 0 ? `(${show(value)})` : show(value);
let show = String;

/** How numbers are written. */
export function showNumbers(format) { show = format; }

const sigma = z => 1 / (1 + Math.exp(-z));
const inner = z => Math.sqrt(2 / Math.PI) * (z + 0.044715 * z ** 3);

// Abramowitz and Stegun 7.1.26, within 1.5e-7, where four digits are shown.
function phi(z) {
  const t = 1 / (1 + 0.3275911 * Math.abs(z) / Math.SQRT2);
  const series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  const erf = 1 - series * Math.exp(-z * z / 2);
  return .5 * (1 + Math.sign(z) * erf);
}

export const formulas = {
  'identity': { text: 'z' },
  'relu': { text: 'max(0, z)', with: z => `max(0, ${show(z)})` },
  'relu2': { text: 'max(0, z)²', with: z => `max(0, ${show(z)})²` },
  'relu6': { text: 'min(max(0, z), 6)', with: z => `min(max(0, ${show(z)}), 6)` },
  'leaky-relu': { text: 'z > 0 ? z : 0.01 · z', with: z => z > 0 ? show(z) : `0.01 · ${put(z)}` },
  'sigmoid': { text: 'σ(z)', with: z => `σ(${show(z)})` },
  'tanh': { text: 'tanh(z)', with: z => `tanh(${show(z)})` },
  'silu': { text: 'z · σ(z)', with: z => `${show(z)} · ${show(sigma(z))}` },
  'quick-gelu': { text: 'z · σ(1.702 · z)', with: z => `${show(z)} · ${show(sigma(1.702 * z))}` },
  'gelu': { text: 'z · Φ(z)', with: z => `${show(z)} · ${show(phi(z))}` },
  'gelu-10': { text: 'min(z · Φ(z), 10)', with: z => `min(${show(z)} · ${show(phi(z))}, 10)` },
  'gelu-tanh': {
    text: '½z · (1 + tanh(√(2/π) · (z + 0.044715 z³)))', with: z => `½ · ${put(z)} · (1 + ${put(Math.tanh(inner(z)))})`,
  },
  'mish': { text: 'z · tanh(ln(1 + eᶻ))', with: z => `${show(z)} · ${show(Math.tanh(Math.log1p(Math.exp(z))))}` },
  'hard-swish': { text: 'z · min(max(0, z + 3), 6) / 6', with: z => `${show(z)} · ${show(Math.min(Math.max(0, z + 3), 6))} / 6` },
  'clamped-silu': { text: 'min(z, limit) · σ(α · min(z, limit))' },
  'xielu': { text: 'α⁺z² + βz above 0, α⁻(eᶻ − 1 − z) + βz below' },
};
