import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { chromium, type BrowserContext, type Page } from 'playwright-core';
import { mqttJs } from '../support/mqttjs.js';
import { runningSample } from '../support/samples.js';

/** Without a window, and without talking to anybody but the page's own server. */
const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

describe('sample 06, in a real browser', () => {
  const { start, stop } = runningSample('start:browser');
  const connect = mqttJs();
  let profile: string;
  let browser: BrowserContext;
  let page: Page;
  let complaints: string[];

  beforeEach(async () => {
    profile = mkdtempSync(join(tmpdir(), 'mqttd-browser-'));
    browser = await chromium.launchPersistentContext(profile, { executablePath: '/usr/bin/chromium', args: flags });
    page = await browser.newPage();
    complaints = [];
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(error.message));
  }, 60_000);

  afterEach(async () => {
    await browser.close();
    await stop();
    rmSync(profile, { recursive: true, force: true });
  });

  const open = async () => {
    const { port, lines } = await start({ HTTP_PORT: '0', MEASURE_MS: '50' });
    const url = /open (\S+)/.exec(await lines.find((line) => line.startsWith('open ')))![1];
    await page.goto(url);
    await page.waitForSelector('#status.connected');
    return { port, url };
  };

  it('draws what comes, publishes what its slider says, and shows what it is refused', async () => {
    const { port } = await open();
    const device = await connect(port, { protocolVersion: 5 });
    await device.client.subscribeAsync('room/wanted');

    // The slider publishes, and the room follows.
    await page.locator('#wanted').fill('28');
    expect(await device.next()).toBe('room/wanted: 28');
    await page.waitForFunction(`Number(document.querySelector('#celsius').textContent) > 25`);
    // The chart has a line in the colour of readings.
    const drawn = await page.evaluate<number>(`(() => {
      const canvas = document.querySelector('canvas');
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      let red = 0;
      for (let at = 0; at < data.length; at += 4) if (data[at] > 200 && data[at + 1] < 80 && data[at + 3] > 200) red++;
      return red;
    })()`);
    expect(drawn).toBeGreaterThan(100);

    // A device publishes, and the page shows it.
    await device.client.publishAsync('room/wanted', '12', { qos: 1, retain: true });
    await page.waitForFunction(`document.querySelector('#wanted-text').textContent === '12'`);

    await page.locator('#wanted').fill('3');
    await page.waitForFunction(`document.querySelector('#refused').textContent !== ''`);
    expect(await page.locator('#refused').textContent()).toMatch(/Payload format invalid|use 5 to 30 degrees/i);

    expect(complaints).toEqual([]);
  }, 60_000);

  it('lets no page of another host in', async () => {
    const { url } = await open();
    const foreign = await browser.newPage();
    // The same server under another name: another origin for the browser, and another host for the broker.
    await foreign.goto(url.replace('127.0.0.1', 'localhost'));
    const outcome = await foreign.evaluate(
      (address) =>
        new Promise<string>((resolve) => {
          const socket = new WebSocket(address, 'mqtt');
          socket.addEventListener('open', () => resolve('open'));
          socket.addEventListener('error', () => resolve('refused'));
        }),
      `${url.replace('http', 'ws')}/mqtt`,
    );
    expect(outcome).toBe('refused');
  }, 60_000);
});
