"""What a case said before it was corrected"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What a case said before it was corrected."""
    op.add_column("ecg_case", sa.Column("corrections", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    """Forget it."""
    op.drop_column("ecg_case", "corrections")
