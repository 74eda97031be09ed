# made from requirements.txt by make environments: change that, not this
# docker build -t reco-book . && docker run -p 8888:8888 reco-book
FROM python:3.12-slim
RUN apt-get update && apt-get install -y --no-install-recommends git make && rm -rf /var/lib/apt/lists/*
RUN pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu jupyterlab \
    'numpy==2.4.6' \
    'pandas==3.1.1' \
    'xarray==2026.9.0' \
    'dask==2026.8.0' \
    'distributed==2026.8.0' \
    'dask-jobqueue==0.9.0' \
    'cloudpickle==3.1.3' \
    'bokeh==3.9.2' \
    'zarr==3.1.6' \
    'netCDF4==1.7.5.1.post1' \
    'pyhdf==0.11.7' \
    'rasterio==1.4.4' \
    'pyproj==3.7.2' \
    'PyYAML==6.0.3' \
    'pooch==1.9.0' \
    'earthaccess==0.17.0' \
    'requests==2.34.2' \
    'urllib3==2.8.0' \
    'filelock==4.2.12' \
    'psutil==7.2.2' \
    'fsspec==2026.9.0' \
    's3fs==2026.9.0' \
    'torch==2.13.0' \
    'safetensors==0.8.0' \
    'scipy==1.17.1' \
    'scikit-learn==1.9.1' \
    'statsmodels==0.15.0' \
    'threadpoolctl==3.8.0' \
    'matplotlib==3.11.2' \
    'cartopy==0.26.0' \
    'seaborn==0.13.2' \
    'cmcrameri==1.10' \
    'Jinja2==3.1.6' \
    'ipykernel==7.4.0' \
    'ipython==9.18.1' \
    'matplotlib-inline==0.2.2' \
    'nbformat==5.11.1' \
    'papermill==2.7.0' \
    'tqdm==4.70.1' \
    'jupyter-book==1.0.4.post1' \
    'myst-nb==1.4.0' \
    'sphinx-mathjax-offline==0.0.2' \
    'pytest==9.2.0' \
    'pytest-xdist==3.8.0' \
    'hypothesis==6.170.15' \
    'nbval==0.11.0' \
    'ruff==0.17.6' \
    'pymannkendall==1.4.3' \
    'lmoments3==1.0.8' \
    'moto[server]==5.2.5' \
    'boto3==1.43.117' \
    'botocore==1.43.117'
COPY . /book
WORKDIR /book
RUN pip install --no-cache-dir --no-deps -e .
EXPOSE 8888
CMD ["jupyter", "lab", "--ip=0.0.0.0", "--no-browser", "--allow-root", "notebooks"]
