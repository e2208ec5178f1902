using BillingMigration.Model;

namespace BillingMigration.Source.Binlog;

/// <summary>A JSON column of MySQL.</summary>
internal sealed class JsonDecoder(int lengthBytes, bool printsOpaqueStrings) : LengthDecoder(lengthBytes)
{
    private readonly JsonText text = new() { PrintsOpaqueStrings = printsOpaqueStrings };

    protected override void Write(ReadOnlySpan<byte> value, RowBuffer row, int column)
    {
        text.Clear();
        JsonBinary.Write(value, text);
        row.Set(column, text.Written);
    }

    /// <summary>The value after differences were applied to it.</summary>
    public void WritePatched(ReadOnlySpan<byte> before, ReadOnlySpan<byte> differences, RowBuffer row, int column)
    {
        text.Clear();
        JsonDifferences.Apply(before, differences, text);
        row.Set(column, text.Written);
    }
}
