"""What the classes of household garbage and the bins are called in Chinese; no figure depends on it."""

from __future__ import annotations

from pipeline_lib.data.classes import Bin

BINS: dict[Bin, str] = {"recyclable": "可回收物", "residual": "其他垃圾", "hazardous": "有害垃圾", "food": "厨余垃圾"}
"""As the national standard GB/T 19095-2019 has them."""

CLASSES = {
    "Banana Peel": "香蕉皮",
    "Basketball": "篮球",
    "Battery": "电池",
    "Broom": "扫把",
    "Cans": "易拉罐",
    "Cardboard": "硬纸板",
    "Ceramic Bowl": "陶瓷碗",
    "Dirty Cloth": "脏污衣服",
    "Disposable Chopsticks": "一次性筷子",
    "Eggshell": "蛋壳",
    "Fluorescent lamp": "荧光灯",
    "Glass Bottle": "玻璃瓶",
    "Glassware": "玻璃制品",
    "Hats": "帽子",
    "Lighter": "打火机",
    "Metalware": "金属制品",
    "Newspaper": "报纸",
    "Old Mirror": "旧镜子",
    "Orange Peel": "橙皮",
    "Paint bucket": "油漆桶",
    "Paper": "纸张",
    "Plastic Bottle": "塑料瓶",
    "Seashell": "贝壳",
    "Tablet capsules": "药片胶囊",
    "Toothbrush": "牙刷",
    "Vegetable Leaf": "菜叶",
}
_OF_CLASS = {name.casefold(): chinese for name, chinese in CLASSES.items()}


def chinese(class_name: str) -> str | None:
    """Return the Chinese name of a class, letter case aside; None for a class that is not one of the 26."""
    return _OF_CLASS.get(class_name.casefold())
