import { afterEach, expect, it, vi } from 'vitest';
import { whyNotGraphics } from './softwareGraphics';

afterEach(() => vi.unstubAllGlobals());

const withAdapter = (adapter: object | null) => vi.stubGlobal('navigator', { gpu: { requestAdapter: async () => adapter } });

it('tells a graphics card from software that stands in for one, on WebGPU', async () => {
  withAdapter({ info: { architecture: 'rdna-3', description: '', isFallbackAdapter: false } });
  expect(await whyNotGraphics('webgpu')).toBeUndefined();
  withAdapter({ info: { architecture: 'swiftshader', description: '' } });
  expect(await whyNotGraphics('webgpu')).toBe('here it is software (swiftshader)');
  withAdapter({ isFallbackAdapter: true });
  expect(await whyNotGraphics('webgpu')).toMatch('software');
  withAdapter(null);
  expect(await whyNotGraphics('webgpu')).toBe('this browser has no graphics card for it');
  vi.stubGlobal('navigator', {});
  expect(await whyNotGraphics('webgpu')).toBe('this browser has no graphics card for it');
});

it('tells them on WebGL, and leaves no context behind', async () => {
  const lost: string[] = [];
  const withRenderer = (name: string | null) =>
    vi.stubGlobal(
      'OffscreenCanvas',
      class {
        getContext = () =>
          name === null
            ? null
            : {
                RENDERER: 1,
                getParameter: (what: number) => (what === 2 ? name : 'masked'),
                getExtension: (extension: string) =>
                  extension === 'WEBGL_lose_context' ? { loseContext: () => lost.push(name) } : { UNMASKED_RENDERER_WEBGL: 2 },
              };
      },
    );
  withRenderer('ANGLE (NVIDIA, NVIDIA GeForce RTX 4070)');
  expect(await whyNotGraphics('webgl')).toBeUndefined();
  withRenderer('ANGLE (Google, Vulkan 1.3.0 (SwiftShader Device), SwiftShader driver)');
  expect(await whyNotGraphics('webgl')).toMatch('here it is software (ANGLE');
  withRenderer(null);
  expect(await whyNotGraphics('webgl')).toBe('this browser has no graphics card for it');
  expect(lost).toHaveLength(2);
});
