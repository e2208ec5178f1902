using BillingMigration.Model;
using BillingMigration.Source.Binlog;
using BillingMigration.Source.Changes;

namespace BillingMigration.Sync;

/// <summary>What the stream says of one row. The same instance comes again for the next one.</summary>
internal sealed class RowChange
{
    public BoundTable Table { get; private set; } = null!;

    public RowsKind Kind { get; private set; }

    /// <summary>The row as it was; of no meaning for an insert.</summary>
    public RowBuffer Before { get; private set; } = null!;

    /// <summary>The row as it is; of no meaning for a delete.</summary>
    public RowBuffer After { get; private set; } = null!;

    /// <summary>True when rows that foreign keys changed along with it are not logged.</summary>
    public bool HidesCascades { get; private set; }

    public EntityModel Model => Table.Model;

    public void Set(BoundTable table, RowsKind kind, RowBuffer before, RowBuffer after, bool hidesCascades) =>
        (Table, Kind, Before, After, HidesCascades) = (table, kind, before, after, hidesCascades);
}

/// <summary>Rows of an XA transaction between its prepare and its end.</summary>
internal sealed class HeldRows
{
    /// <summary>What it changed beside them.</summary>
    public List<UntoldChange> Untold { get; } = [];

    private readonly Queue<(BoundTable Table, RowsKind Kind, RowBuffer Before, RowBuffer After, bool HidesCascades)> rows = new();

    public long Bytes { get; private set; }

    public void Add(BoundTable table, RowsKind kind, bool hidesCascades)
    {
        var (before, after) = (kind == RowsKind.Insert ? table.Before : table.Before.Copy(), kind == RowsKind.Delete ? table.After : table.After.Copy());
        rows.Enqueue((table, kind, before, after, hidesCascades));
        Bytes += (kind == RowsKind.Insert ? 0 : before.Used) + (kind == RowsKind.Delete ? 0 : after.Used);
    }

    public bool TryTake(RowChange into)
    {
        var found = rows.TryDequeue(out var row);
        if (found)
        {
            into.Set(row.Table, row.Kind, row.Before, row.After, row.HidesCascades);
        }

        return found;
    }
}
