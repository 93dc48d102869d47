"""k-means of flow cells beside scikit-learn's KMeans and MiniBatchKMeans and faiss, on the same vectors and one thread.

python benchmarks/bench_kmeans.py [--store STORE --flow FLOW] [--cells N] [--sizes 64,256] [--rounds R]

With a store its flow cells are taken, repeated with float16 noise up to N where there are fewer; without one vectors
with the same heavy tails are drawn. All make 50 Lloyd iterations from their own seeding; a second row of scikit-learn
hands it our seeds. Times are the best of the rounds, inertia the mean, computed for all alike.
"""

import argparse
import json
import os
import sys
import time

os.environ.update({"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"})  # before numpy

import numpy as np
from motionpipe.pipeline.artefacts import read_manifest, read_samples
from motionpipe.pipeline.fit_codebook import sample_blocks, valid_vectors
from motionpipe.pipeline.kmeans import fit_blocks, seed_centres
from motionpipe.pipeline.nearest_centre import nearest_centre
from motionpipe.pipeline.read_flow import read_flow_cells
from motionpipe.pipeline.store import Store
from sklearn.cluster import KMeans, MiniBatchKMeans
from threadpoolctl import threadpool_limits

ITERATIONS = 50


def flow_vectors(uri: str, name: str, count: int) -> np.ndarray:
    store = Store.at(uri)
    manifest = read_manifest(store, f"flow/{name}", "motionpipe flow")
    cell = int(manifest.identity.section["cell"])
    samples = read_samples(store, f"flow/{name}", manifest)
    found = np.concatenate([valid_vectors(read_flow_cells(store, f"flow/{name}", n, e, cell), 3) for n, e in samples])
    generator = np.random.default_rng(0)
    taken = found[generator.choice(len(found), count, replace=count > len(found))]
    if count > len(found):
        taken = (taken * (1 + generator.normal(0, 2**-11, taken.shape))).astype(np.float32)
    limit = np.quantile(np.abs(taken), 0.99, axis=0)
    return np.clip(taken, -limit, limit).astype(np.float32)


def drawn_vectors(count: int) -> np.ndarray:
    values = np.random.default_rng(0).standard_t(3, (count, 3)) * 0.02
    return np.clip(values, -0.15, 0.15).astype(np.float32)


def inertia(vectors: np.ndarray, centres: np.ndarray) -> float:
    return float(nearest_centre(vectors, centres.astype(np.float32))[1].sum(dtype=np.float64))


def ours(vectors: np.ndarray, size: int, seed: int) -> np.ndarray:
    held = np.zeros((size, vectors.shape[1]), bool)
    held[0] = True
    return fit_blocks(sample_blocks(vectors), held, ITERATIONS, seed).centres


def sklearn_kmeans(vectors: np.ndarray, size: int, seed: int) -> np.ndarray:
    return KMeans(size, n_init=1, max_iter=ITERATIONS, tol=0, random_state=seed).fit(vectors).cluster_centers_


def sklearn_seeded(vectors: np.ndarray, size: int, seed: int) -> np.ndarray:
    start = seed_centres(sample_blocks(vectors), (size, vectors.shape[1]), seed)
    return KMeans(size, init=start, n_init=1, max_iter=ITERATIONS, tol=0).fit(vectors).cluster_centers_


def mini_batch(vectors: np.ndarray, size: int, seed: int) -> np.ndarray:
    return MiniBatchKMeans(size, n_init=1, random_state=seed).fit(vectors).cluster_centers_


def faiss_kmeans(vectors: np.ndarray, size: int, seed: int, every: bool = True) -> np.ndarray:
    import faiss

    faiss.omp_set_num_threads(1)
    most = len(vectors) if every else 256  # faiss trains on 256 vectors a centre unless told otherwise
    model = faiss.Kmeans(
        vectors.shape[1], size, niter=ITERATIONS, seed=seed + 1, max_points_per_centroid=most, verbose=False
    )
    model.train(vectors)
    return model.centroids


def faiss_default(vectors: np.ndarray, size: int, seed: int) -> np.ndarray:
    return faiss_kmeans(vectors, size, seed, every=False)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--store")
    parser.add_argument("--flow", default="pd")
    parser.add_argument("--cells", type=int, default=1_000_000)
    parser.add_argument("--sizes", default="64,256")
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    given = options.store
    vectors = flow_vectors(given, options.flow, options.cells) if given else drawn_vectors(options.cells)
    peers = {
        "scikit-learn KMeans": sklearn_kmeans,
        "scikit-learn KMeans from our seeds": sklearn_seeded,
        "scikit-learn MiniBatchKMeans": mini_batch,
        "faiss, all vectors": faiss_kmeans,
        "faiss, its defaults": faiss_default,
    }
    try:
        import faiss  # noqa: F401
    except ImportError:
        peers = {name: fit for name, fit in peers.items() if "faiss" not in name}
    ours(vectors[:1000], 8, 0)  # compiles
    for size in map(int, options.sizes.split(",")):
        seconds: dict[str, list[float]] = {}
        cpu: dict[str, list[float]] = {}
        costs: dict[str, list[float]] = {}
        with threadpool_limits(1):
            for seed in range(options.rounds):
                for name, fit in {"motionpipe": ours, **peers}.items():
                    start, start_cpu = time.perf_counter(), time.process_time()
                    centres = fit(vectors, size, seed)
                    seconds.setdefault(name, []).append(time.perf_counter() - start)
                    cpu.setdefault(name, []).append(time.process_time() - start_cpu)
                    costs.setdefault(name, []).append(inertia(vectors, centres))
        rows = (("wall time", seconds, "s", min), ("CPU time", cpu, "s", min), ("inertia", costs, "m²", np.mean))
        for figure, values, unit, best in rows:
            for name in peers:
                mine, theirs = float(best(values["motionpipe"])), float(best(values[name]))
                print(
                    json.dumps(
                        {
                            "figure": f"k-means {len(vectors)}x3 K={size} {figure}",
                            "value": round(mine, 4),
                            "unit": unit,
                            "peer": name,
                            "peer_value": round(theirs, 4),
                            "ratio": round(mine / theirs, 4),
                            "command": "python " + " ".join(sys.argv),
                        }
                    ),
                    flush=True,
                )


if __name__ == "__main__":
    main()
