interface Gpu {
  requestAdapter(): Promise<{
    readonly isFallbackAdapter?: boolean;
    readonly info?: { readonly isFallbackAdapter?: boolean; readonly architecture?: string; readonly description?: string };
  } | null>;
}

const SOFTWARE = /swiftshader|llvmpipe|lavapipe|softpipe|software|basic render/i;

/**
 * Why a browser's graphics engine is not worth starting: there is none, or it is software, which the processor runs far more
 * slowly than wasm. Nothing where it is.
 */
export async function whyNotGraphics(name: 'webgpu' | 'webgl'): Promise<string | undefined> {
  const found = name === 'webgpu' ? await webgpuRenderer() : webglRenderer();
  if (found === undefined) return 'this browser has no graphics card for it';
  return SOFTWARE.test(found) ? `here it is software (${found})` : undefined;
}

async function webgpuRenderer(): Promise<string | undefined> {
  const { gpu } = navigator as unknown as { gpu?: Gpu };
  const adapter = await gpu?.requestAdapter().catch(() => null);
  if (!adapter) return undefined;
  const { info } = adapter;
  const isFallback = info?.isFallbackAdapter ?? adapter.isFallbackAdapter ?? false;
  return [info?.architecture, info?.description, isFallback && 'software'].filter(Boolean).join(' ');
}

function webglRenderer(): string | undefined {
  const canvas = typeof OffscreenCanvas === 'undefined' ? document.createElement('canvas') : new OffscreenCanvas(1, 1);
  const gl = canvas.getContext('webgl2') as WebGL2RenderingContext | null;
  if (!gl) return undefined;
  const debug = gl.getExtension('WEBGL_debug_renderer_info');
  const renderer = String(gl.getParameter(debug ? debug.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
  gl.getExtension('WEBGL_lose_context')?.loseContext();
  return renderer;
}
