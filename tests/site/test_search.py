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
    "Adam optimizer": "tutorials/backpropagation",
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
CASES = [("en", query, page) for query, page in ENGLISH.items()]
CASES += [("zh_CN", query, page) for query, page in CHINESE.items()]
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
        arg=query,
    )
    return page


@pytest.mark.parametrize(("language", "query", "expected"), CASES)
def test_a_search_finds_its_page_first_or_second(reader, language, query, expected):
    page = reader(language, query)
    page.wait_for_selector("#search-results ul.search li a")
    links = page.locator("#search-results ul.search > li > a").evaluate_all(
        "links => links.map(link => link.pathname)"
    )
    pages = list(dict.fromkeys(path.partition(f"/{language}/")[2] for path in links))
    assert f"{expected}.html" in pages[:2], pages[:6]


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
