// What pointers, the wheel and keys do in a chart of elements. A finger that goes up or down scrolls the page, and so does the wheel
// unless the chart has the focus.

const tapReach = 6;
const wheelFactor = 1.2;

/** Makes a chart answer. */
export function listen(chart) {
  const { canvas, view } = chart;
  const fingers = new Map();
  let start = null;

  canvas.addEventListener('pointerdown', event => {
    if (event.button !== 0) return;
    fingers.set(event.pointerId, event.clientX);
    start = {
      x: event.clientX, first: view.first, count: view.count, moved: fingers.size > 1, spread: spread(fingers), at: middle(chart, fingers),
    };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener('pointermove', event => {
    if (!fingers.has(event.pointerId)) {
      chart.hover(event.pointerType === 'mouse' ? chart.elementAt(event.clientX) : -1);
      return;
    }

    fingers.set(event.pointerId, event.clientX);
    if (fingers.size > 1) pinch(chart, fingers, start);
    else drag(chart, event, start);
  });
  const end = event => {
    const isTap = fingers.delete(event.pointerId) && event.type === 'pointerup' && start && !start.moved;
    const index = chart.elementAt(event.clientX);
    if (isTap && index >= 0) view.choose(index);
    if (fingers.size === 0) start = null;
  };
  canvas.addEventListener('pointerup', end);
  canvas.addEventListener('pointercancel', end);
  canvas.addEventListener('pointerleave', () => chart.hover(-1));
  canvas.addEventListener('wheel', event => {
    if (document.activeElement !== canvas || event.ctrlKey) return;
    event.preventDefault();
    view.zoom(event.deltaY > 0 ? wheelFactor : 1 / wheelFactor, chart.placeAt(event.clientX));
  }, { passive: false });
  canvas.addEventListener('keydown', event => key(view, event));
}

function drag(chart, event, start) {
  const moved = event.clientX - start.x;
  if (Math.abs(moved) > tapReach) start.moved = true;
  if (start.moved && !chart.view.isWhole) chart.view.show(start.first - moved / chart.elementWidth, start.count);
}

function pinch(chart, fingers, start) {
  start.moved = true;
  const now = spread(fingers);
  if (!(start.spread > 0 && now > 0)) return;
  const count = start.count * start.spread / now;
  const share = chart.shareAt(centre(fingers));
  chart.view.show(start.at - share * count, count);
}

const spread = fingers => Math.max(...fingers.values()) - Math.min(...fingers.values());
const centre = fingers => [...fingers.values()].reduce((sum, x) => sum + x, 0) / fingers.size;
const middle = (chart, fingers) => chart.placeAt(centre(fingers));

function key(view, event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const step = event.shiftKey ? Math.max(1, Math.round(view.count / 10)) : 1;
  const page = Math.max(1, Math.round(view.count / 2));
  const actions = {
    ArrowLeft: () => view.choose(view.chosen - step),
    ArrowRight: () => view.choose(view.chosen + step),
    ArrowDown: () => view.choose(view.chosen - step),
    ArrowUp: () => view.choose(view.chosen + step),
    PageDown: () => view.choose(view.chosen - page),
    PageUp: () => view.choose(view.chosen + page),
    Home: () => view.choose(0),
    End: () => view.choose(view.length - 1),
    '+': () => view.zoom(0.5, view.middle),
    '=': () => view.zoom(0.5, view.middle),
    '-': () => view.zoom(2, view.middle),
    '0': () => view.showAll(),
    Escape: () => view.showAll(),
  };
  const action = actions[event.key];
  if (action) {
    event.preventDefault();
    action();
  }
}
