# The image of cluster.kuberay.yaml: Ray's own, with doge_ray and the versions of constraints.txt.
#
#     docker build --tag YOUR-REGISTRY/doge-ray:0.2.0 .
#     docker push YOUR-REGISTRY/doge-ray:0.2.0
#
# .dockerignore says what of this folder the build sees.
FROM rayproject/ray:2.60.0-py311-gpu

COPY --chown=ray pyproject.toml hatch_build.py constraints.txt README.md LICENSE doge_ray/
COPY --chown=ray doge_ray doge_ray/doge_ray
COPY --chown=ray sweeps doge_ray/sweeps

RUN pip install --no-cache-dir --constraint doge_ray/constraints.txt --editable 'doge_ray[aws]'
