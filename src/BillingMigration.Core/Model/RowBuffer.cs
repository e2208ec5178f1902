using System.Text;

namespace BillingMigration.Model;

/// <summary>
/// One source row as the canonical texts of its columns (UTF-8; raw bytes for binary types), whichever reader it came from. Reused from
/// row to row; nothing is allocated per value.
/// </summary>
public sealed class RowBuffer
{
    private readonly int[] starts;
    private readonly int[] lengths;
    private byte[] data = new byte[4096];
    private int used;

    /// <param name="columns">Number of columns of the row's layout.</param>
    public RowBuffer(int columns)
    {
        starts = new int[columns];
        lengths = new int[columns];
    }

    private RowBuffer(RowBuffer other)
    {
        starts = [.. other.starts];
        lengths = [.. other.lengths];
        data = other.data.AsSpan(0, other.used).ToArray();
        used = other.used;
    }

    /// <summary>A row whose columns are all NULL.</summary>
    public static RowBuffer AllNull(int columns)
    {
        var row = new RowBuffer(columns);
        row.lengths.AsSpan().Fill(-1);
        return row;
    }

    public int Count => starts.Length;

    /// <summary>The column's bytes; empty for NULL, which <see cref="IsNull"/> tells apart.</summary>
    public ReadOnlySpan<byte> this[int column] => lengths[column] <= 0 ? [] : data.AsSpan(starts[column], lengths[column]);

    public bool IsNull(int column) => lengths[column] < 0;

    /// <summary>The same row in a buffer of its own, no larger than it must be.</summary>
    public RowBuffer Copy() => new(this);

    public void Clear() => used = 0;

    public void SetNull(int column) => lengths[column] = -1;

    public void Set(int column, ReadOnlySpan<byte> value)
    {
        value.CopyTo(Reserve(value.Length).AsSpan(used));
        Commit(column, value.Length);
    }

    /// <summary>Takes the value of another row's column, NULL too.</summary>
    public void Take(int column, RowBuffer other, int otherColumn)
    {
        if (other.IsNull(otherColumn))
        {
            SetNull(column);
        }
        else
        {
            Set(column, other[otherColumn]);
        }
    }

    /// <summary>True when one of the columns has another value in the other row.</summary>
    public bool Differs(RowBuffer other, ReadOnlySpan<int> columns)
    {
        foreach (var column in columns)
        {
            if (IsNull(column) != other.IsNull(column) || !this[column].SequenceEqual(other[column]))
            {
                return true;
            }
        }

        return false;
    }

    public bool Differs(RowBuffer other, int column) => Differs(other, new ReadOnlySpan<int>(ref column));

    public bool Differs(RowBuffer other, System.Collections.Immutable.ImmutableArray<int> columns) => Differs(other, columns.AsSpan());

    public void Set(int column, string value) => Set(column, Encoding.UTF8.GetBytes(value));

    /// <summary>Room for at least <paramref name="size"/> bytes from <see cref="Used"/> on; followed by <see cref="Commit"/>.</summary>
    internal byte[] Reserve(int size)
    {
        if (data.Length - used < size)
        {
            Array.Resize(ref data, Math.Max(data.Length * 2, used + size));
        }

        return data;
    }

    internal int Used => used;

    internal void Commit(int column, int length)
    {
        starts[column] = used;
        lengths[column] = length;
        used += length;
    }
}
