using System.Collections.Frozen;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace BillingMigration.Model;

/// <summary>
/// Item to row: the exact inverse of <see cref="ItemEncoder"/>. Fills a row's own columns with the texts that the source would return;
/// key attributes are not read, they are made from the columns. Not thread-safe.
/// </summary>
public sealed class ItemDecoder
{
    private readonly EntityModel model;
    private readonly FrozenDictionary<string, AttributeModel> attributes;
    private readonly FrozenSet<string> keys;

    public ItemDecoder(EntityModel model)
    {
        this.model = model;
        attributes = model.Attributes.ToFrozenDictionary(a => a.Name, StringComparer.Ordinal);
        keys = model.Keys.SelectMany(k => new[] { k.PartitionKeyAttribute, k.SortKeyAttribute })
            .Append(EntityModel.EntityAttribute).ToFrozenSet(StringComparer.Ordinal);
    }

    /// <summary>Decodes an item in DynamoDB JSON, its attributes in any order.</summary>
    /// <param name="item">One JSON object: attribute name to <c>{"S":…}</c>, <c>{"N":…}</c> or <c>{"B":…}</c>.</param>
    /// <param name="row">A row of the entity's layout; columns of lookups are set to NULL.</param>
    /// <exception cref="MigrationException"><c>ItemUnreadable</c>: an attribute that the model does not know, or of another type.</exception>
    public void Decode(ReadOnlySpan<byte> item, RowBuffer row)
    {
        row.Clear();
        for (var i = 0; i < row.Count; i++)
        {
            row.SetNull(i);
        }

        var json = new Utf8JsonReader(item);
        json.Read();
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            var name = json.GetString()!;
            json.Read();
            json.Read();
            var type = json.GetString();
            json.Read();
            if (attributes.TryGetValue(name, out var attribute))
            {
                if (json.TokenType != JsonTokenType.String || type != AttributeForms.TypeOf(attribute.Form).ToString())
                {
                    throw Unreadable($"the attribute {name} is of type {type}, and the model wants {AttributeForms.TypeOf(attribute.Form)}");
                }

                Set(attribute, ref json, row);
            }
            else if (!keys.Contains(name))
            {
                throw Unreadable($"it has the attribute {name}, which the model does not know");
            }

            json.Read();
        }
    }

    private static void Set(AttributeModel attribute, ref Utf8JsonReader json, RowBuffer row)
    {
        switch (attribute.Form)
        {
            case AttributeForm.Binary:
                row.Set(attribute.RowIndex, json.GetBytesFromBase64());
                break;
            case AttributeForm.DateTime:
            case AttributeForm.Timestamp:
                row.Set(attribute.RowIndex, json.GetString()!.Replace('T', ' ').TrimEnd('Z'));
                break;
            case AttributeForm.Decimal:
                row.Set(attribute.RowIndex, WithScale(Plain(ref json), attribute.Column.Scale));
                break;
            case AttributeForm.Integer:
                row.Set(attribute.RowIndex, attribute.Column.DataType == "year" ? Plain(ref json).PadLeft(4, '0') : Plain(ref json));
                break;
            case AttributeForm.Single or AttributeForm.SingleText:
                row.Set(attribute.RowIndex, Float(float.Parse(json.GetString()!, CultureInfo.InvariantCulture)));
                break;
            case AttributeForm.Double or AttributeForm.DoubleText:
                row.Set(attribute.RowIndex, Float(double.Parse(json.GetString()!, CultureInfo.InvariantCulture)));
                break;
            default:
                row.Set(attribute.RowIndex, json.GetString()!);
                break;
        }
    }

    // With an exponent: MySQL reads a long plain number as a DECIMAL, and cuts it at 65 digits.
    private static string Float(double value) => value.ToString("R", CultureInfo.InvariantCulture);

    private static string Plain(ref Utf8JsonReader json)
    {
        Span<byte> text = stackalloc byte[CanonicalNumber.MaxLength];
        return CanonicalNumber.Normalize(Encoding.ASCII.GetBytes(json.GetString()!), text, out var length) == CanonicalNumber.Verdict.Ok
            ? Encoding.ASCII.GetString(text[..length])
            : throw Unreadable("a number in it is malformed");
    }

    /// <summary>A DECIMAL's text always has as many decimals as its column.</summary>
    private static string WithScale(string plain, int scale)
    {
        var point = plain.IndexOf('.', StringComparison.Ordinal);
        var decimals = point < 0 ? 0 : plain.Length - point - 1;
        return scale == decimals ? plain : (point < 0 ? plain + "." : plain) + new string('0', scale - decimals);
    }

    private static MigrationException Unreadable(string why) => new(
        "ItemUnreadable", MigrationErrorKind.DataRefused,
        $"An item cannot be read back as a row: {why}. Something else has written it, or the definition has changed since.");
}
