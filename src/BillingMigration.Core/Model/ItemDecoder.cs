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
    private readonly FrozenDictionary<string, int> attributes;
    private readonly CellEncryption? encryption;
    private readonly FrozenSet<string> keys;

    public ItemDecoder(EntityModel model)
    {
        this.model = model;
        encryption = CellEncryption.Of(model);
        attributes = Enumerable.Range(0, model.Attributes.Length).ToFrozenDictionary(i => model.Attributes[i].Name, StringComparer.Ordinal);
        keys = model.Keys.SelectMany(k => new[] { k.PartitionKeyAttribute, k.SortKeyAttribute })
            .Append(EntityModel.EntityAttribute).ToFrozenSet(StringComparer.Ordinal);
    }

    /// <summary>
    /// Passes over attributes that the model does not know: another process has a later version of the schema. Where what is read is to be proven, such an attribute is an error instead.
    /// </summary>
    internal bool IgnoresUnknown { get; init; }

    /// <summary>Decodes an item in DynamoDB JSON, its attributes in any order.</summary>
    /// <param name="item">One JSON object: attribute name to <c>{"S":…}</c>, <c>{"N":…}</c> or <c>{"B":…}</c>.</param>
    /// <param name="row">A row of the entity's layout; columns of lookups are set to NULL.</param>
    /// <exception cref="MigrationException"><c>ItemUnreadable</c>: an attribute that the model does not know, or of another type, or not encrypted for this item with the migration's data key.</exception>
    public void Decode(ReadOnlySpan<byte> item, RowBuffer row)
    {
        row.Clear();
        for (var i = 0; i < row.Count; i++)
        {
            row.SetNull(i);
        }

        BeginEncryption(item);
        var json = new Utf8JsonReader(item);
        json.Read();
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            var name = json.GetString()!;
            json.Read();
            json.Read();
            var type = json.GetString();
            json.Read();
            if (attributes.TryGetValue(name, out var i))
            {
                var attribute = model.Attributes[i];
                if (json.TokenType != JsonTokenType.String || type != attribute.Type.ToString())
                {
                    throw Unreadable($"the attribute {name} is of type {type}, and the model wants {attribute.Type}");
                }

                if (!attribute.Encrypted)
                {
                    Set(attribute, json.GetString()!, row);
                }
                else if (encryption!.TryDecrypt(i, json.GetBytesFromBase64()) is not { } value)
                {
                    throw Unreadable($"the attribute {name} was not encrypted for this item with the migration's data key");
                }
                else if (attribute.Form == AttributeForm.Binary)
                {
                    row.Set(attribute.RowIndex, value);
                }
                else
                {
                    Set(attribute, Encoding.UTF8.GetString(value), row);
                }
            }
            else if (IgnoresUnknown)
            {
                json.Skip();
            }
            else if (!keys.Contains(name))
            {
                throw Unreadable($"it has the attribute {name}, which the model does not know");
            }

            json.Read();
        }
    }

    /// <summary>An encrypted value is bound to its item's key, which may come after it.</summary>
    private void BeginEncryption(ReadOnlySpan<byte> item)
    {
        if (encryption is null)
        {
            return;
        }

        byte[]? pk = null, sk = null;
        var json = new Utf8JsonReader(item);
        json.Read();
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName && (pk is null || sk is null))
        {
            var (isPk, isSk) = (json.ValueTextEquals(EntityModel.PartitionKey), json.ValueTextEquals(EntityModel.SortKey));
            json.Read();
            if (!isPk && !isSk)
            {
                json.Skip();
                continue;
            }

            json.Read();
            json.Read();
            var value = json.TokenType == JsonTokenType.String ? Encoding.UTF8.GetBytes(json.GetString()!) : null;
            (pk, sk) = isPk ? (value, sk) : (pk, value);
            json.Read();
        }

        encryption.Begin();
        if (pk is not null && sk is not null)
        {
            encryption.Begin(pk, sk);
        }
    }

    /// <param name="text">As it stands in the item.</param>
    private static void Set(AttributeModel attribute, string text, RowBuffer row)
    {
        switch (attribute.Form)
        {
            case AttributeForm.Binary:
                row.Set(attribute.RowIndex, Convert.FromBase64String(text));
                break;
            case AttributeForm.DateTime:
            case AttributeForm.Timestamp:
                row.Set(attribute.RowIndex, text.Replace('T', ' ').TrimEnd('Z'));
                break;
            case AttributeForm.Decimal:
                row.Set(attribute.RowIndex, WithScale(Plain(text), attribute.Column.Scale));
                break;
            case AttributeForm.Integer:
                row.Set(attribute.RowIndex, attribute.Column.DataType == "year" ? Plain(text).PadLeft(4, '0') : Plain(text));
                break;
            case AttributeForm.Single or AttributeForm.SingleText:
                row.Set(attribute.RowIndex, Float(float.Parse(text, CultureInfo.InvariantCulture)));
                break;
            case AttributeForm.Double or AttributeForm.DoubleText:
                row.Set(attribute.RowIndex, Float(double.Parse(text, CultureInfo.InvariantCulture)));
                break;
            default:
                row.Set(attribute.RowIndex, text);
                break;
        }
    }

    // With an exponent: MySQL reads a long plain number as a DECIMAL, and cuts it at 65 digits.
    private static string Float(double value) => value.ToString("R", CultureInfo.InvariantCulture);

    private static string Plain(string number)
    {
        Span<byte> text = stackalloc byte[CanonicalNumber.MaxLength];
        return CanonicalNumber.Normalize(Encoding.ASCII.GetBytes(number), text, out var length) == CanonicalNumber.Verdict.Ok
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
