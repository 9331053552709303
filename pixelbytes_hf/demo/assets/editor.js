// The editor: a sprite (JSON) drawn pixel by pixel in the model's own colours, with pointer or keys.
const palette = props.palette;
const find = (name) => element.querySelector('.pb-' + name);
const canvas = find('drawing'), cursor = find('cursor'), inks = [...element.querySelectorAll('.pb-inks button')];
const all = find('all').querySelector('input'), label = find('which');
let sprite = JSON.parse(props.value), shown = 0, ink = props.ink, tool = 'pen', painting = false, undo = [];
let at = { row: 0, column: 0 };

function paint() {
  const { width, height } = sprite, context = canvas.getContext('2d');
  if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
  context.clearRect(0, 0, width, height);
  sprite.frames[shown].forEach((index, place) => {
    if (palette[index] === null) return;
    context.fillStyle = palette[index];
    context.fillRect(place % width, Math.floor(place / width), 1, 1);
  });
  const frame = canvas.parentNode;
  frame.style.aspectRatio = width + ' / ' + height;
  frame.style.setProperty('--columns', width);
  frame.style.setProperty('--rows', height);
  label.textContent = 'Frame ' + (shown + 1) + ' of ' + sprite.frames.length;
  find('turn').hidden = sprite.frames.length < 2;
}

function moveTo(row, column) {
  at = {
    row: Math.max(0, Math.min(sprite.height - 1, row)),
    column: Math.max(0, Math.min(sprite.width - 1, column)),
  };
  cursor.style.left = 100 * at.column / sprite.width + '%';
  cursor.style.top = 100 * at.row / sprite.height + '%';
  cursor.style.width = 100 / sprite.width + '%';
  cursor.style.height = 100 / sprite.height + '%';
}

function flood(frame) {
  const { width, height } = sprite, start = at.row * width + at.column, old = frame[start], stack = [start];
  if (old === ink) return;
  while (stack.length) {
    const place = stack.pop(), column = place % width;
    if (frame[place] !== old) continue;
    frame[place] = ink;
    if (column > 0) stack.push(place - 1);
    if (column < width - 1) stack.push(place + 1);
    if (place >= width) stack.push(place - width);
    if (place < width * (height - 1)) stack.push(place + width);
  }
}

function apply() {
  const targets = all.checked ? sprite.frames : [sprite.frames[shown]];
  if (tool === 'fill') targets.forEach(flood);
  else targets.forEach((frame) => { frame[at.row * sprite.width + at.column] = ink; });
  paint();
}

function remember() {
  undo.push(JSON.stringify(sprite));
  if (undo.length > 50) undo.shift();
}

function publish() {
  props.value = JSON.stringify(sprite);
}

function choose(index) {
  ink = index;
  inks.forEach((button) => {
    const chosen = Number(button.dataset.ink) === ink;
    button.setAttribute('aria-checked', chosen);
    button.tabIndex = chosen ? 0 : -1;
  });
}

function take(event) {
  const box = canvas.getBoundingClientRect();
  moveTo(Math.floor((event.clientY - box.top) / box.height * sprite.height),
    Math.floor((event.clientX - box.left) / box.width * sprite.width));
}

canvas.addEventListener('pointerdown', (event) => {
  event.preventDefault();
  canvas.focus();
  canvas.setPointerCapture(event.pointerId);
  remember();
  painting = true;
  take(event);
  apply();
});
canvas.addEventListener('pointermove', (event) => {
  if (!painting || tool !== 'pen') return;
  const from = at;
  take(event);
  const to = at, steps = Math.max(Math.abs(to.row - from.row), Math.abs(to.column - from.column));
  for (let step = 1; step <= steps; step += 1) {  // a quick stroke skips pixels
    moveTo(Math.round(from.row + (to.row - from.row) * step / steps),
      Math.round(from.column + (to.column - from.column) * step / steps));
    apply();
  }
});
['pointerup', 'pointercancel'].forEach((name) => canvas.addEventListener(name, () => {
  if (painting) publish();
  painting = false;
}));
canvas.addEventListener('keydown', (event) => {
  const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  if (steps[event.key]) moveTo(at.row + steps[event.key][0], at.column + steps[event.key][1]);
  else if (event.key === 'Enter' || event.key === ' ') { remember(); apply(); publish(); }
  else return;
  event.preventDefault();
});
inks.forEach((button, number) => {
  button.addEventListener('click', () => choose(Number(button.dataset.ink)));
  button.addEventListener('keydown', (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = inks[(number + step + inks.length) % inks.length];
    choose(Number(next.dataset.ink));
    next.focus();
  });
});
['pen', 'fill'].forEach((name) => find(name).addEventListener('click', () => {
  tool = name;
  ['pen', 'fill'].forEach((each) => find(each).setAttribute('aria-pressed', each === tool));
}));
find('undo').addEventListener('click', () => {
  if (!undo.length) return;
  sprite = JSON.parse(undo.pop());
  shown = Math.min(shown, sprite.frames.length - 1);
  paint();
  publish();
});
find('clear').addEventListener('click', () => {
  remember();
  sprite = JSON.parse(props.blank);
  shown = 0;
  paint();
  publish();
});
[['back', -1], ['next', 1]].forEach(([name, step]) => find(name).addEventListener('click', () => {
  shown = (shown + step + sprite.frames.length) % sprite.frames.length;
  paint();
}));
watch('value', () => {
  if (props.value === JSON.stringify(sprite)) return;
  sprite = JSON.parse(props.value);
  shown = 0;
  undo = [];
  paint();
  moveTo(0, 0);
});
choose(ink);
moveTo(0, 0);
paint();
