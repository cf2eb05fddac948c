"""Prints what Python PEFT computes with an adapter: logits.py MODEL ADAPTER IDS (JSON) → JSON."""
import json
import sys

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

model, adapter, ids = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
subject = PeftModel.from_pretrained(base, adapter).eval()
with torch.no_grad():
    logits = subject(input_ids=torch.tensor([ids])).logits
print(json.dumps(logits.flatten().tolist()))
