using System.Text;

namespace BillingMigration.Model;

/// <summary>The text of a primary-key value, as checkpoints and messages hold it: hex digits for binary columns, else the canonical text.</summary>
public static class KeyText
{
    public static string Of(ColumnSchema column, ReadOnlySpan<byte> value) =>
        AttributeForms.For(column, null) == AttributeForm.Binary ? Convert.ToHexString(value)
        : RawText.Is(value) ? RawText.ToText(value)
        : Encoding.UTF8.GetString(value);
}
