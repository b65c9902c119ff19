// An MQTT 5 client in a page: the chart is what it has subscribed to, the slider publishes.
const byId = (id) => document.getElementById(id);
const readings = [];
let wanted;

const client = globalThis.mqtt.connect(`${location.protocol.replace('http', 'ws')}//${location.host}/mqtt`, {
  protocolVersion: 5,
  clientId: `page-${crypto.randomUUID()}`,
});

for (const event of ['connect', 'close']) {
  client.on(event, () => {
    byId('status').textContent = client.connected ? 'connected' : 'connecting';
    byId('status').classList.toggle('connected', client.connected);
  });
}

client.subscribe(['room/celsius', 'room/wanted'], { qos: 1 });
client.on('message', (topic, payload) => {
  const celsius = Number(payload.toString());
  if (topic === 'room/wanted') {
    wanted = celsius;
    byId('wanted').value = String(celsius);
    byId('wanted-text').textContent = String(celsius);
  } else {
    readings.push(celsius);
    if (readings.length > 120) readings.shift();
    byId('celsius').textContent = celsius.toFixed(1);
  }
  draw();
});

byId('wanted').addEventListener('input', ({ target }) => (byId('wanted-text').textContent = target.value));
byId('wanted').addEventListener('change', ({ target }) => {
  byId('refused').textContent = '';
  client.publish('room/wanted', target.value, { qos: 1, retain: true }, (error) => {
    // What the application said no to comes back as a Reason Code, with its text.
    if (error) byId('refused').textContent = error.message;
  });
});

function draw() {
  const canvas = byId('chart');
  const context = canvas.getContext('2d');
  const { width, height } = canvas;
  const style = getComputedStyle(document.documentElement);
  const values = wanted === undefined ? readings : [...readings, wanted];
  const low = Math.min(...values) - 1;
  const high = Math.max(...values) + 1;
  const y = (celsius) => height - ((celsius - low) / (high - low)) * height;
  const x = (index) => (index / 119) * width;
  context.clearRect(0, 0, width, height);
  context.lineWidth = 3;
  if (wanted !== undefined) {
    context.strokeStyle = style.getPropertyValue('--wanted');
    context.setLineDash([8, 8]);
    context.beginPath();
    context.moveTo(0, y(wanted));
    context.lineTo(width, y(wanted));
    context.stroke();
  }
  context.strokeStyle = style.getPropertyValue('--line');
  context.setLineDash([]);
  context.beginPath();
  for (const [index, celsius] of readings.entries()) context.lineTo(x(index), y(celsius));
  context.stroke();
}
