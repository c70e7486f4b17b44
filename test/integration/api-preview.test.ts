/** What the service's API tells before a connection is made: definitions, estimates, the times of a schedule. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { REFUSED_KEY, service, source, settings, refusal, serveApi } from '../api-support.js';

serveApi();

describe('before a connection is made', () => {
  test('definitions are listed and described, and what is none is said to be none', async () => {
    const { client } = service;
    writeFileSync(path.join(service.folder, 'manifests', 'no manifest.yaml'), 'x');
    expect((await client.listDefinitions()).items).toEqual([{ name: 'source-tiny', connector: 'manifest' }]);
    const tiny = await client.getDefinition('source-tiny');
    expect(tiny).toMatchObject({ title: 'Tiny', documentation: 'https://tiny.example/docs' });
    expect(tiny.config).toMatchObject({ required: ['auth'], properties: { auth: { title: 'Authentication' } } });
    for (const name of ['nothing', '..', '../headrace', 'source-tiny.yaml'])
      expect(await refusal(client.getDefinition(name))).toMatchObject({ status: 404 });
    writeFileSync(path.join(service.folder, 'manifests', 'broken.yaml'), 'streams: [');
    expect(await refusal(client.getDefinition('broken'))).toMatchObject({ status: 422 });
  });

  test('rows of each stream are estimated, and a key that does not work is told', async () => {
    const { client } = service;
    const estimate = await client.estimateSettings({
      id: 'guessed',
      ...settings({ source: source({ streams: ['coupons', 'charges', 'customers'] }) }),
    });
    const streams = new Map(estimate.streams.map((each) => [each.stream, each]));
    expect(streams.get('coupons')).toMatchObject({ exact: true, key: ['id'], follows: 'events', divided: 'range' });
    const { rows, low, high } = streams.get('charges')!;
    expect(rows).toBeGreaterThan((low ?? rows ?? 0) / 1.01);
    expect([low ?? 0.7 * rows!, high ?? 1.4 * rows!]).toSatisfy(
      ([least, most]: number[]) => least! <= 6000 && 6000 <= most!,
    );
    expect(await refusal(client.getConnection('guessed'))).toMatchObject({ status: 404 });
    const refused = client.estimateSettings({
      id: 'guessed',
      ...settings({ source: source({ api_key: REFUSED_KEY }) }),
    });
    expect((await refusal(refused)).status).toBe(422);
  });

  test('the next three runs of a schedule are told, and what is no schedule is refused at its place', async () => {
    const { client } = service;
    const times = async (query: Record<string, string>) =>
      (await client.previewSchedule(query)).next.map((time) => Date.parse(time));
    const [first, second, third] = await times({ every: '15m' });
    expect([second! - first!, third! - second!]).toEqual([900_000, 900_000]);
    const daily = await times({ cron: '30 4 * * *', time_zone: 'Asia/Tokyo' });
    expect(daily.map((time) => new Date(time).toISOString().slice(11))).toEqual(
      Array.from({ length: 3 }, () => '19:30:00.000Z'),
    );
    for (const [query, place] of [
      [{ every: 'often' }, 'every'],
      [{ cron: '61 * * * *' }, 'cron'],
      [{ cron: '0 0 31 2 *' }, 'cron'],
      [{}, 'every'],
      [{ every: '1h', cron: '0 * * * *' }, 'every'],
    ] as const)
      expect((await refusal(client.previewSchedule(query))).detail.place).toBe(place);
  });
});
