"""What is measured on Python PEFT's side: work.py KIND JSON, as ours/work.mjs."""
import json
import os
import resource
import sys
import time
import warnings

warnings.filterwarnings('ignore')
os.environ['TRANSFORMERS_VERBOSITY'] = 'error'
os.environ['HF_HUB_OFFLINE'] = '1'
import torch
import transformers
from peft import IA3Config, LoraConfig, PrefixTuningConfig, PromptTuningConfig, get_peft_model

kind, job = sys.argv[1], json.loads(sys.argv[2])


def answer(value):
    print(json.dumps(value), flush=True)


def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def adapted():
    torch.manual_seed(0)
    base = getattr(transformers, job['auto']).from_pretrained(job['folder'])
    method, task, own = job.get('method', 'lora'), job['task_type'], job['lora']
    config = {
        'lora': lambda: LoraConfig(task_type=task, r=job.get('rank') or 8, lora_alpha=16, **own),
        'ia3': lambda: IA3Config(task_type=task),
        'prefix': lambda: PrefixTuningConfig(task_type=task, num_virtual_tokens=20),
        'prompt-tuning': lambda: PromptTuningConfig(task_type=task, num_virtual_tokens=20),
    }[method]()
    return get_peft_model(base, config)


def trainer():
    model = adapted().train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)

    def step(batch):
        loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss.item()

    return step


def tensors(batch):
    return {name: torch.tensor(value) for name, value in batch.items()}


def timed(work):
    started = time.perf_counter()
    result = work()
    return (time.perf_counter() - started) * 1000, result


def generate(model, tokens):
    ids = torch.tensor([job['prompt']])
    with torch.no_grad():
        out = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=tokens, do_sample=False, eos_token_id=None, pad_token_id=0)
    return out[0, ids.shape[1]:].tolist()


def step():
    run, batch = trainer(), tensors(job['batch'])

    def sample():
        ms, loss = timed(lambda: run(batch))
        return {'ms': ms, 'check': loss}

    return sample


def epoch():
    run, batches = trainer(), [tensors(batch) for batch in json.load(open(job['data']))]

    def sample():
        ms, losses = timed(lambda: [run(batch) for batch in batches])
        return {'ms': ms, 'check': losses[0]}

    return sample


def decode():
    model = adapted().eval()

    def sample():
        ms, ids = timed(lambda: generate(model, job['tokens']))
        return {'ms': ms / job['tokens'], 'check': ids}

    return sample


def adapter_load():
    model = adapted()

    def sample():
        ms, _ = timed(lambda: model.load_adapter(job['adapter'], 'other'))
        model.delete_adapter('other')
        return {'ms': ms}

    return sample


def with_other():
    model = adapted()
    model.load_adapter(job['adapter'], 'other')
    return model


def adapter_switch():
    model = with_other()

    def sample():
        ms, _ = timed(lambda: (model.set_adapter('other'), model.set_adapter('default')))
        return {'ms': ms / 2}

    return sample


def adapter_merge():
    model = with_other()
    model.set_adapter('other')

    def sample():
        ms, _ = timed(model.merge_adapter)
        model.unmerge_adapter()
        return {'ms': ms}

    return sample


def crowded():
    model = adapted().eval()
    for i in range(job['adapters']):
        model.add_adapter(f'a{i}', model.peft_config['default'])
    names, batch = [f'a{i}' for i in job['rows']], tensors(job['batch'])

    def request():
        with torch.no_grad():
            return model(**batch, adapter_names=names).logits[0, 0, 0].item()

    return request


def mixed_batch():
    request = crowded()

    def sample():
        ms, check = timed(request)
        return {'ms': ms, 'check': check}

    return sample


def memory_adapters():
    answer({'check': crowded()(), 'peakMb': peak_mb()})


def cold_token():
    [token] = generate(adapted().eval(), 1)
    answer({'check': token, 'peakMb': peak_mb()})


def cold_step():
    loss = trainer()(tensors(job['batch']))
    answer({'check': loss, 'peakMb': peak_mb()})


def memory_train():
    run, batch = trainer(), tensors(job['batch'])
    first = [run(batch) for _ in range(3)][0]
    answer({'check': first, 'peakMb': peak_mb()})


def memory_generate():
    ids = generate(adapted().eval(), job['tokens'])
    answer({'check': ids, 'peakMb': peak_mb()})


sample = globals()[kind.replace('-', '_')]()
if sample:
    answer({'ready': True})
    for _ in sys.stdin:
        answer(sample())
