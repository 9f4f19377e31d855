"""A Metaflow flow of this project's stages that do nothing: ``run`` it once, then ``resume`` clones every finished step."""

from metaflow import FlowSpec, step


class NothingNew(FlowSpec):
    """The stages in a row; Metaflow wants the first and the last to be called start and end."""

    @step
    def start(self):
        """Begin."""
        self.next(self.dataset)

    @step
    def dataset(self):
        """Stand for the stage."""
        self.next(self.audit)

    @step
    def audit(self):
        """Stand for the stage."""
        self.next(self.backbone)

    @step
    def backbone(self):
        """Stand for the stage."""
        self.next(self.augment)

    @step
    def augment(self):
        """Stand for the stage."""
        self.next(self.data_new)

    @step
    def data_new(self):
        """Stand for the stage."""
        self.next(self.features)

    @step
    def features(self):
        """Stand for the stage."""
        self.next(self.train)

    @step
    def train(self):
        """Stand for the stage."""
        self.next(self.evaluate)

    @step
    def evaluate(self):
        """Stand for the stage."""
        self.next(self.end)

    @step
    def end(self):
        """Stand for the stage report."""


if __name__ == "__main__":
    NothingNew()
