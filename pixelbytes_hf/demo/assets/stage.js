// The stage: a record so far (JSON) as a sprite that grows row by row and then moves, its sentence, and its cry as a curve.
const palette = props.palette;
const find = (name) => element.querySelector('.pb-' + name);
const canvas = find('sprite'), cursor = find('cursor'), film = find('film'), strip = find('frames');
const play = find('play'), wave = find('wave'), sentence = find('sentence'), legend = find('legend');
const still = window.matchMedia('(prefers-reduced-motion: reduce)').matches;
let record = {}, shown = 0, playing = !still, at = null, clock = null;

function paint(target, frame, width, height) {
  if (target.width !== width || target.height !== height) { target.width = width; target.height = height; }
  const context = target.getContext('2d');
  context.clearRect(0, 0, width, height);
  frame.forEach((index, place) => {
    if (index < 0 || palette[index] === null) return;
    context.fillStyle = palette[index];
    context.fillRect(place % width, Math.floor(place / width), 1, 1);
  });
}

function show(number) {
  const sprite = record.sprite;
  if (!sprite) return;
  shown = Math.min(number, sprite.frames.length - 1);
  paint(canvas, sprite.frames[shown], sprite.width, sprite.height);
  [...strip.children].forEach((button, index) => button.setAttribute('aria-current', index === shown));
}

function tick() {
  const sprite = record.sprite;
  if (sprite && playing && !record.busy && sprite.frames.length > 1) show((shown + 1) % sprite.frames.length);
}

function setPlaying(value) {
  playing = value;
  play.textContent = playing ? 'Pause' : 'Play';
  play.setAttribute('aria-pressed', playing);
}

function buildStrip(sprite) {
  while (strip.children.length > sprite.expected) strip.lastChild.remove();
  while (strip.children.length < sprite.expected) {
    const number = strip.children.length, button = document.createElement('button');
    button.type = 'button';
    button.setAttribute('aria-label', 'Frame ' + (number + 1));
    button.append(document.createElement('canvas'));
    button.addEventListener('click', () => { setPlaying(false); show(number); });
    strip.append(button);
  }
  [...strip.children].forEach((button, number) => {
    button.disabled = number >= sprite.frames.length;
    paint(button.firstChild, sprite.frames[number] || [], sprite.width, sprite.height);
  });
}

function drawWave(cry) {
  const ratio = window.devicePixelRatio || 1;
  wave.width = Math.max(300, Math.round(wave.clientWidth * ratio));
  wave.height = 96 * ratio;
  const context = wave.getContext('2d'), half = wave.height / 2 / cry.channels.length;
  context.clearRect(0, 0, wave.width, wave.height);
  const styles = getComputedStyle(element);
  while (legend.children.length < cry.channels.length) {
    const key = document.createElement('span'), line = document.createElement('i');
    line.style.background = 'var(' + (legend.children.length ? '--pb-second' : '--pb-first') + ')';
    key.append(line, 'cry, channel ' + (legend.children.length + 1));
    legend.append(key);
  }
  cry.channels.forEach((values, channel) => {
    const middle = half * (2 * channel + 1);
    context.strokeStyle = styles.getPropertyValue(channel ? '--pb-second' : '--pb-first');
    context.lineWidth = 1.5 * ratio;
    context.beginPath();
    values.forEach((value, index) => {
      context.lineTo(index / Math.max(1, cry.samples - 1) * wave.width, middle - value * half * 0.9);
    });
    context.stroke();
  });
}

function moveTo(row, column) {
  const sprite = record.sprite;
  if (!sprite) return;
  at = {
    row: Math.max(0, Math.min(sprite.height - 1, row)),
    column: Math.max(0, Math.min(sprite.width - 1, column)),
  };
  cursor.hidden = false;
  cursor.style.left = 100 * at.column / sprite.width + '%';
  cursor.style.top = 100 * at.row / sprite.height + '%';
  cursor.style.width = 100 / sprite.width + '%';
  cursor.style.height = 100 / sprite.height + '%';
}

function ask() {
  if (!record.sprite || record.busy || !at) return;
  setPlaying(false);
  trigger('pixel', { frame: shown, row: at.row, column: at.column });
}

function update() {
  const before = record;
  record = props.value ? JSON.parse(props.value) : {};
  const sprite = record.sprite, begins = record.busy && !before.busy;
  element.querySelector('.pb-stage').classList.toggle('pb-busy', Boolean(record.busy));
  find('empty').hidden = Boolean(sprite);
  find('screen').hidden = Boolean(!sprite && (record.cry || (record.text && !record.busy)));
  canvas.parentNode.hidden = !sprite;
  film.hidden = !sprite || sprite.expected < 2;
  find('hint').hidden = !sprite || record.busy || record.stopped;
  sentence.hidden = !record.text;
  sentence.textContent = record.text || '';
  wave.hidden = legend.hidden = !record.cry;
  if (begins) { cursor.hidden = true; at = null; setPlaying(!still); }
  if (begins && window.innerWidth < 760) {
    (element.closest('#pb-result') || element).scrollIntoView({ behavior: still ? 'auto' : 'smooth', block: 'start' });
  }
  if (sprite) {
    canvas.parentNode.style.aspectRatio = sprite.width + ' / ' + sprite.height;
    buildStrip(sprite);
    show(record.busy ? sprite.frames.length - 1 : Math.min(shown, sprite.frames.length - 1));
    clearInterval(clock);
    clock = setInterval(tick, sprite.duration);
  }
  if (record.cry) drawWave(record.cry);
}

play.addEventListener('click', () => setPlaying(!playing));
canvas.addEventListener('click', (event) => {
  if (!record.sprite) return;
  const box = canvas.getBoundingClientRect();
  moveTo(Math.floor((event.clientY - box.top) / box.height * record.sprite.height),
    Math.floor((event.clientX - box.left) / box.width * record.sprite.width));
  ask();
});
canvas.addEventListener('keydown', (event) => {
  const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  if (steps[event.key]) {
    const [down, right] = steps[event.key];
    moveTo((at || { row: 0 }).row + (at ? down : 0), (at || { column: 0 }).column + (at ? right : 0));
  } else if (event.key === 'Enter' || event.key === ' ') {
    if (!at) moveTo(0, 0);
    ask();
  } else return;
  event.preventDefault();
});
watch('value', update);
update();
