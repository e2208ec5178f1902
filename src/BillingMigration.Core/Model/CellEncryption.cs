using System.Buffers;
using System.Buffers.Text;

namespace BillingMigration.Model;

/// <summary>Encrypts and decrypts the attributes of one entity's items, one item after the other. Not thread-safe.</summary>
internal sealed class CellEncryption
{
    private readonly EntityModel model;
    private readonly AttributeCipher cipher;
    private readonly byte[][] places;
    private readonly ScratchBuffer partitionKey = new();
    private readonly ScratchBuffer sortKey = new();
    private byte[]? key;

    private CellEncryption(EntityModel model, AttributeCipher cipher)
    {
        this.model = model;
        this.cipher = cipher;
        places = [.. model.Attributes.Select(a => AttributeCipher.PlaceOf(model.Entity, a.Name))];
    }

    /// <returns>Null: the model has nothing to encrypt.</returns>
    /// <exception cref="InvalidOperationException">The model has, and was bound without a cipher.</exception>
    public static CellEncryption? Of(EntityModel model) => !model.Attributes.Any(a => a.Encrypted) ? null
        : model.Cipher is { } cipher ? new CellEncryption(model, cipher)
        : throw new InvalidOperationException($"The model of {model.Entity} has encrypted attributes and was bound without a cipher.");

    /// <summary>What comes is of another item.</summary>
    public void Begin() => key = null;

    /// <summary>What comes is of the item with this key.</summary>
    public void Begin(ReadOnlySpan<byte> pk, ReadOnlySpan<byte> sk) => key = AttributeCipher.KeyOf(pk, sk);

    /// <param name="row">Its key has been written already, so that it has one.</param>
    public byte[] Encrypt(int attribute, RowBuffer row, ReadOnlySpan<byte> value) => cipher.Encrypt(places[attribute], key ??= KeyOf(row), value);

    /// <returns>Null: the value is not one that this migration has encrypted for this place.</returns>
    public byte[]? TryDecrypt(int attribute, ReadOnlySpan<byte> value) => key is null ? null : cipher.TryDecrypt(places[attribute], key, value);

    /// <summary>True for a value under another key than the one that values are encrypted with.</summary>
    /// <param name="base64">The value as it stands in DynamoDB JSON.</param>
    public bool IsUnderOtherKey(ReadOnlySpan<byte> base64)
    {
        Span<byte> first = stackalloc byte[3];
        return base64.Length > 4 && Base64.DecodeFromUtf8(base64[..4], first, out _, out var length, isFinalBlock: false) == OperationStatus.Done && length > 0 && first[0] != cipher.Number;
    }

    /// <returns>Null: the value is not one that this migration has encrypted for this place.</returns>
    public byte[]? TryRenew(int attribute, ReadOnlySpan<byte> value) => key is null ? null : cipher.TryRenew(places[attribute], key, value);

    private byte[] KeyOf(RowBuffer row)
    {
        partitionKey.Clear();
        sortKey.Clear();
        return model.Keys[0].PartitionKey[0].TryRender(row, partitionKey, out _) && model.Keys[0].SortKey[0].TryRender(row, sortKey, out _)
            ? AttributeCipher.KeyOf(partitionKey.Written, sortKey.Written)
            : throw new InvalidOperationException($"A row of {model.Entity} has no key.");
    }
}
