"""The search finds a reader's words: each query's page comes first or second, in both languages."""

import pytest

ENGLISH = {
    "xor": "tutorials/xor",
    "perceptron": "tutorials/xor",
    "softmax": "tutorials/backpropagation",
    "cross-entropy": "tutorials/linear-classifier",
    "linear classifier": "tutorials/linear-classifier",
    "confusion matrix": "tutorials/linear-classifier",
    "vanishing gradient": "tutorials/activations",
    "sigmoid": "tutorials/activations",
    "ReLU": "tutorials/activations",
    "Xavier": "tutorials/initialization",
    "start values variance": "tutorials/initialization",
    "chain rule": "tutorials/backpropagation",
    "backpropagation": "tutorials/backpropagation",
    "Adam optimizer": "tutorials/optimizers",
    "LeNet": "tutorials/lenet",
    "convolution": "tutorials/lenet",
    "pooling": "tutorials/lenet",
    "convolutional network": "tutorials/lenet",
    "OVERFIT": "tutorials/overfit",
    "batch normalization": "tutorials/batch-normalization",
    "state_dict": "tutorials/save-and-load",
    "devices": "tutorials/devices",
    "ONNX": "tutorials/static-graph",
    "torchrun": "guides/several-machines",
    "resume checkpoint": "guides/resume",
    "your own data": "guides/your-own-data",
    "glossary": "reference/glossary",
    "results": "reference/results",
    "how do I save my model": "tutorials/save-and-load",
    "why does the loss not fall": "tutorials/when-it-does-not-learn",
}
CHINESE = {
    "异或": "tutorials/xor",
    "感知机": "tutorials/xor",
    "线性分类器": "tutorials/linear-classifier",
    "混淆矩阵": "tutorials/linear-classifier",
    "交叉熵": "tutorials/linear-classifier",
    "激活函数": "tutorials/activations",
    "梯度消失": "tutorials/activations",
    "sigmoid": "tutorials/activations",
    "初始化": "tutorials/initialization",
    "方差": "tutorials/initialization",
    "Xavier": "tutorials/initialization",
    "链式法则": "tutorials/backpropagation",
    "反向传播": "tutorials/backpropagation",
    "卷积": "tutorials/lenet",
    "池化": "tutorials/lenet",
    "LeNet": "tutorials/lenet",
    "批归一化": "tutorials/batch-normalization",
    "保存和加载": "tutorials/save-and-load",
    "设备": "tutorials/devices",
    "静态图": "tutorials/static-graph",
    "ONNX": "tutorials/static-graph",
    "多机训练": "guides/several-machines",
    "torchrun": "guides/several-machines",
    "中断与恢复": "guides/resume",
    "使用自己的数据": "guides/your-own-data",
    "术语表": "reference/glossary",
    "结果": "reference/results",
    # single characters, other names, spaceless phrases, English on Chinese pages
    "批": "reference/glossary",
    "轮": "reference/glossary",
    "标准化": "tutorials/batch-normalization",
    "不收敛": "tutorials/when-it-does-not-learn",
    "批标准化": "tutorials/batch-normalization",
    "梯度检查": "tutorials/backpropagation",
    "前向传播": "tutorials/backpropagation",
    "断点续训": "guides/resume",
    "多卡训练": "guides/several-machines",
    "部署": "tutorials/static-graph",
    "怎么保存模型": "tutorials/save-and-load",
    "如何防止过拟合": "tutorials/overfitting-and-remedies",
    "损失不下降": "tutorials/when-it-does-not-learn",
    "怎样用自己的图片": "guides/your-own-data",
    "epoch": "tutorials/linear-classifier",
    "dropout": "tutorials/overfitting-and-remedies",
}
# What a learner types, written down before looking at the index, with the pages that answer it: at
# least 38 of these 40, and all but one of the English ones, find one first or second
EVERYDAY_CHINESE = {
    "怎么保存模型": ["tutorials/save-and-load"],
    "显卡": ["tutorials/devices"],
    "怎么用GPU训练": ["tutorials/devices"],
    "梯度爆炸": [
        "tutorials/activations",
        "tutorials/initialization",
        "tutorials/when-it-does-not-learn",
    ],
    "批标准化": ["tutorials/batch-normalization"],
    "断点续训": ["guides/resume"],
    "多卡训练": ["guides/several-machines"],
    "学习率怎么调": [
        "tutorials/optimizers",
        "tutorials/when-it-does-not-learn",
        "tutorials/linear-classifier",
    ],
    "损失变成nan": ["tutorials/when-it-does-not-learn"],
    "准确率不高": ["tutorials/when-it-does-not-learn", "tutorials/overfitting-and-remedies"],
    "为什么不收敛": ["tutorials/when-it-does-not-learn"],
    "过拟合怎么办": ["tutorials/overfitting-and-remedies"],
    "卷积": ["tutorials/lenet", "tutorials/colour-and-convolution"],
    "轮": ["reference/glossary", "tutorials/linear-classifier"],
    "批": ["reference/glossary", "tutorials/linear-classifier"],
    "交叉熵": ["tutorials/linear-classifier"],
    "onnx": ["tutorials/static-graph"],
    "导出": ["tutorials/static-graph"],
    "权重初始化": ["tutorials/initialization"],
    "数据增强": ["tutorials/overfitting-and-remedies"],
    "早停": ["tutorials/overfitting-and-remedies"],
    "彩色图片": ["tutorials/colour-and-convolution"],
    "自己的数据集": ["guides/your-own-data"],
    "手写数字识别": [
        "tutorials/training-and-testing",
        "tutorials/linear-classifier",
        "tutorials/neural-network",
        "tutorials/lenet",
    ],
    "神经元是什么": ["tutorials/neural-network"],
    "激活函数有什么用": ["tutorials/activations", "tutorials/neural-network"],
    "反向传播推导": ["tutorials/backpropagation"],
    "动量": ["tutorials/optimizers"],
    "adam和sgd哪个好": ["tutorials/optimizers"],
    "验证集和测试集的区别": [
        "tutorials/training-and-testing",
        "tutorials/overfitting-and-remedies",
    ],
    "为什么要归一化": ["tutorials/batch-normalization", "tutorials/linear-classifier"],
    "随机种子": ["tutorials/initialization", "reference/results", "start"],
    "打印网络结构": ["tutorials/blocks-and-parameters"],
    "冻结参数": ["tutorials/blocks-and-parameters", "guides/train-your-way"],
    "自定义损失函数": ["guides/train-your-way"],
    "训练太慢": ["reference/performance", "tutorials/devices", "tutorials/when-it-does-not-learn"],
    "怎么安装": ["start"],
    "逻辑回归": ["tutorials/linear-classifier", "reference/glossary"],
    "全连接层": ["tutorials/neural-network", "tutorials/blocks-and-parameters"],
    "dropout": ["tutorials/overfitting-and-remedies"],
}
EVERYDAY_ENGLISH = {
    "how to save a model": ["tutorials/save-and-load"],
    "loss is nan": ["tutorials/when-it-does-not-learn"],
    "accuracy too low": ["tutorials/when-it-does-not-learn", "tutorials/overfitting-and-remedies"],
    "use the gpu": ["tutorials/devices"],
    "exploding gradients": [
        "tutorials/activations",
        "tutorials/initialization",
        "tutorials/when-it-does-not-learn",
    ],
    "batchnorm": ["tutorials/batch-normalization"],
    "continue training after a crash": ["guides/resume"],
    "early stopping": ["tutorials/overfitting-and-remedies"],
    "train on my own images": ["guides/your-own-data"],
    "which learning rate": [
        "tutorials/optimizers",
        "tutorials/when-it-does-not-learn",
        "tutorials/linear-classifier",
    ],
    "weight initialization": ["tutorials/initialization"],
    "export to onnx": ["tutorials/static-graph"],
    "multi gpu": ["guides/several-machines"],
    "random seed": ["tutorials/initialization", "reference/results", "start"],
    "dying relu": ["tutorials/activations"],
    "validation set": ["tutorials/training-and-testing", "tutorials/overfitting-and-remedies"],
    "install": ["start"],
}
# Messages as they are pasted, with the reader's own numbers and paths
TRACEBACK = """Traceback (most recent call last):
  File "/home/me/clothes.py", line 12, in <module>
    trainer.fit(loader, epochs=3)
ValueError: batch: expected labels in 0..9, got 0..37. Number the classes from 0."""
MESSAGES = {
    "Linear(784 -> 10): expected input of shape (..., 784), got (17, 3, 28, 28). "
    "Flatten each sample first: x.flatten(1).": "reference/api/model",
    "TypeError: Trainer: expected optimizer to be a torch Optimizer, got 'adam'. "
    "Build it first and pass the object.": "reference/api/training",
    "ValueError: draw_text: expected printable letters, got ''.": "reference/api/data",
    "refnet.errors.MissingDataError: mnist data: expected a file train-images-idx3-ubyte[.gz], "
    "got none in /home/me/mnist, and no network (download=False).": "start",
    TRACEBACK: "start",
}
CASES = [("en", query, page) for query, page in ENGLISH.items()]
CASES += [("zh_CN", query, page) for query, page in CHINESE.items()]
CASES += [(code, text, page) for text, page in MESSAGES.items() for code in ("en", "zh_CN")]
CASES += [(code, "draw_text", "reference/api/data") for code in ("en", "zh_CN")]
EVERYDAY = [("zh_CN", EVERYDAY_CHINESE, 38), ("en", EVERYDAY_ENGLISH, len(EVERYDAY_ENGLISH) - 1)]
WORDS = {"en": "Glossary", "zh_CN": "术语表"}


@pytest.fixture(scope="module")
def reader(browser, address):
    """One page of the browser for all queries."""
    context = browser.new_context()
    page = context.new_page()
    yield lambda language, query: search(page, f"{address}/{language}/search.html", query)
    context.close()


def search(page, address, query):
    """Type a query as a reader does, and return the page when the search has ended."""
    if not page.url.startswith(address):
        page.goto(address)
    field = page.locator(".bd-search-container input[type=search]")
    field.fill(query)
    field.press("Enter")
    page.wait_for_function(
        "query => new URLSearchParams(location.search).get('q') === query"
        " && document.querySelector('#search-results .search-summary')?.innerText.trim()",
        arg=query.replace("\n", " "),  # the field has one line
    )
    return page


def pages_found(page, language):
    """Return the pages of the results shown, the first one first, each once."""
    page.wait_for_selector("#search-results ul.search li a")
    links = page.locator("#search-results ul.search > li > a").evaluate_all(
        "links => links.map(link => link.pathname)"
    )
    paths = [path.partition(f"/{language}/")[2] for path in links]
    return list(dict.fromkeys(path.removesuffix(".html") for path in paths))


@pytest.mark.parametrize(("language", "query", "expected"), CASES)
def test_a_search_finds_its_page_first_or_second(reader, language, query, expected):
    found = pages_found(reader(language, query), language)
    assert expected in found[:2], found[:6]


@pytest.mark.parametrize(("language", "queries", "least"), EVERYDAY, ids=["Chinese", "English"])
def test_everyday_searches_find_a_right_page_first_or_second(reader, language, queries, least):
    found = {query: pages_found(reader(language, query), language)[:2] for query in queries}
    missed = {query: found[query] for query in queries if not {*queries[query]} & {*found[query]}}
    assert len(queries) - len(missed) >= least, missed


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_the_words_that_lead_to_a_page_name_pages_of_the_site(reader, language):
    page = reader(language, "softmax")
    topics = page.evaluate("TOPICS.map(([words, page]) => page)")
    docnames = page.evaluate("Search._index.docnames")
    assert len(topics) > 100
    assert set(topics) <= set(docnames)


@pytest.mark.parametrize(("language", "query"), [("en", "qwertyuiop"), ("zh_CN", "鼍鼋")])
def test_a_search_without_a_result_leads_to_the_glossary(reader, language, query):
    page = reader(language, query)
    nothing = page.locator("#nothing-found")
    nothing.wait_for(state="visible")
    assert nothing.get_by_role("link").inner_text() == WORDS[language]
    nothing.get_by_role("link").click()
    page.wait_for_url(f"**/{language}/reference/glossary.html")


def test_a_search_with_a_result_does_not_speak_of_the_glossary(reader):
    page = reader("en", "softmax")
    page.wait_for_selector("#search-results ul.search li a")
    assert page.locator("#nothing-found").is_hidden()
