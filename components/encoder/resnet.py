"""Builds residual networks, for images of a few pixels and for larger ones (He et al., arXiv 1512.03385).

torchvision takes as long to import as torch itself, so it is imported only when a network is built: most stages build
none. B images, C channels, S pixels per side, D features.
"""

from torch import nn

from components.encoder.params import TinyResNet, TorchvisionResNet

SMALL_SIDE = 64  # `auto` takes the small stem up to this side; ImageNet's stem leaves 2 x 2 of 64 pixels


def has_small_stem(params: TorchvisionResNet, side: int) -> bool:
    """Whether the stem of this network is small: 3x3, stride 1, no max-pool, which keeps the side."""
    return params.stem == "small" or (params.stem == "auto" and side <= SMALL_SIDE)


def build_torchvision_resnet(params: TorchvisionResNet, *, channels: int, side: int) -> nn.Module:
    """Build a ResNet of torchvision: (B, C, S, S) -> (B, D), D = 512 or 2048."""
    import torchvision

    encoder: nn.Module = getattr(torchvision.models, params.name)(weights=None, zero_init_residual=False)
    encoder.fc = nn.Identity()
    if has_small_stem(params, side):
        stem = nn.Conv2d(channels, 64, 3, stride=1, padding=1, bias=False)
        encoder.maxpool = nn.Identity()
    else:
        stem = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
    nn.init.kaiming_normal_(stem.weight, mode="fan_out", nonlinearity="relu")  # as torchvision draws the others
    encoder.conv1 = stem
    return encoder


def build_tiny_resnet(params: TinyResNet, channels: int) -> nn.Module:
    """Build a small ResNet in He et al.'s CIFAR layout (section 4.2); the side halves at each further width."""
    from torchvision.models.resnet import BasicBlock

    widths = params.widths
    layers: list[nn.Module] = [
        nn.Conv2d(channels, widths[0], 3, padding=1, bias=False),  # (B, widths[0], S, S)
        nn.BatchNorm2d(widths[0]),
        nn.ReLU(inplace=True),
    ]
    width_in = widths[0]
    for stage, width in enumerate(widths):
        for block in range(params.blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            shortcut = None
            if stride != 1 or width_in != width:
                shortcut = nn.Sequential(nn.Conv2d(width_in, width, 1, stride, bias=False), nn.BatchNorm2d(width))
            layers.append(BasicBlock(width_in, width, stride, shortcut))
            width_in = width
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]  # (B, D) with D = widths[-1]
    encoder = nn.Sequential(*layers)
    for module in encoder.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return encoder
