"""CGM-Net's inference pipelines, parameters and operations, beside table 8 of its paper; nothing is run.

python benchmarks/bench_cgm_net.py
"""

import json

from motionpipe.models.cgm_net_costs import PAPER, pipeline_costs
from motionpipe.schemas.cgm_net import CgmNetSection

COMMAND = "python benchmarks/bench_cgm_net.py"


def main() -> None:
    for cost in pipeline_costs(CgmNetSection(), classes=101):
        millions, gflops = PAPER[cost.pipeline]
        for unit, value, paper in [
            ("million parameters", cost.parameters / 1e6, millions),
            ("GMAC a clip; the paper's GFLOPs are of unknown kind", cost.macs / 1e9, gflops),
        ]:
            line = {"figure": f"cgm-net {cost.pipeline}", "value": round(value, 2), "unit": unit, "peer": "Tian et al."}
            print(json.dumps(line | {"peer_value": paper, "ratio": round(value / paper, 3), "command": COMMAND}))


if __name__ == "__main__":
    main()
