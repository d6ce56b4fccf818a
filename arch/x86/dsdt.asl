/* SPDX-License-Identifier: MIT */
/*
 * The x86 machine's devices for ACPI (6.4). Addresses, ports and interrupts are
 * those of layout.h, which tests/unit/test_acpi.c holds this against. What
 * varies from VM to VM, acpi.c puts into an SSDT:
 *
 *     \M64B, \M64E, \M64L    first and last address and length of the host
 *                            bridge's 64-bit window; a length of 0: none
 *     \VGAP                  whether a VGA card is behind the host bridge
 *     \_SB.COM1._STA         whether there is a serial port
 *     \_SB.VIOn._STA         whether virtio-mmio slot n is in use
 *     \_SB.Cxxx              a device for each CPU
 */
DefinitionBlock ("", "DSDT", 2, "MICROV", "MICROVM ", 1)
{
	External (\M64B, IntObj)
	External (\M64E, IntObj)
	External (\M64L, IntObj)
	External (\VGAP, IntObj)

	/* SLP_TYPa of the sleep control register: ACPI_GED_SLP_TYP_S5. */
	Name (\_S5, Package () { 5, 0, 0, 0 })

	Scope (\_SB)
	{
		/* Ports and memory that no other device speaks for. */
		Device (MBRD)
		{
			Name (_HID, EisaId ("PNP0C02"))
			Name (_UID, 0)
			Name (_CRS, ResourceTemplate ()
			{
				Memory32Fixed (ReadOnly, 0xe0000000, 0x100000)	/* ECAM */
				IO (Decode16, 0x600, 0x600, 1, 8)		/* sleep, reset, events */
			})
		}

		Device (PCI0)
		{
			Name (_HID, EisaId ("PNP0A08"))
			Name (_CID, EisaId ("PNP0A03"))
			Name (_SEG, 0)
			Name (_BBN, 0)
			Name (_UID, 0)

			Name (CRES, ResourceTemplate ()
			{
				WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode,
					0, 0, 0, 0, 1)
				IO (Decode16, 0xcf8, 0xcf8, 1, 8)
				WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,
					0, 0x1000, 0x8fff, 0, 0x8000)
				DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed,
					NonCacheable, ReadWrite,
					0, 0xc0000000, 0xdfffffff, 0, 0x20000000)
			})
			Name (CR64, ResourceTemplate ()
			{
				QWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed,
					NonCacheable, ReadWrite, 0, 0, 0, 0, 1, , , M64)
			})
			/* A VGA card's ports and window. */
			Name (CVGA, ResourceTemplate ()
			{
				WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,
					0, 0x3b0, 0x3df, 0, 0x30)
				DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed,
					NonCacheable, ReadWrite,
					0, 0xa0000, 0xbffff, 0, 0x20000)
			})
			Method (_CRS, 0, Serialized)
			{
				Local0 = CRES
				If (\VGAP != 0)
				{
					Local0 = ConcatenateResTemplate (CVGA, CRES)
				}
				If (\M64L == 0)
				{
					Return (Local0)
				}
				CreateQWordField (CR64, \_SB.PCI0.M64._MIN, MINA)
				CreateQWordField (CR64, \_SB.PCI0.M64._MAX, MAXA)
				CreateQWordField (CR64, \_SB.PCI0.M64._LEN, LENA)
				MINA = \M64B
				MAXA = \M64E
				LENA = \M64L
				Return (ConcatenateResTemplate (Local0, CR64))
			}

			/* Slot n, pin A is wire n % 4; the wires are GSI 16 to 19 (6.2.13). */
			Method (_PRT, 0, Serialized)
			{
				Local0 = Package (128) {}
				Local1 = 0
				While (Local1 < 128)
				{
					Local2 = Local1 >> 2	/* slot */
					Local3 = Local1 & 3	/* pin */
					Local4 = Package (4) { 0, 0, 0, 0 }
					Local4[0] = (Local2 << 16) | 0xffff
					Local4[1] = Local3
					Local4[3] = 16 + ((Local2 + Local3) & 3)
					Local0[Local1] = Local4
					Local1++
				}
				Return (Local0)
			}

			/*
			 * All that the OS asks for it may have: there is no firmware that
			 * would do it instead (PCI Firmware 3.2, 4.5.1).
			 */
			Method (_OSC, 4)
			{
				CreateDWordField (Arg3, 0, STAT)
				If (Arg0 != ToUUID ("33db4d5b-1ff7-401c-9657-7441c03dd766"))
				{
					STAT |= 4	/* unrecognised UUID */
				}
				ElseIf (Arg1 != 1)
				{
					STAT |= 8	/* unrecognised revision */
				}
				Return (Arg3)
			}
		}

		Device (COM1)
		{
			Name (_HID, EisaId ("PNP0501"))
			Name (_UID, 1)
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x3f8, 0x3f8, 1, 8)
				Interrupt (ResourceConsumer, Edge, ActiveHigh, Exclusive) { 4 }
			})
		}

		Device (RTC)
		{
			Name (_HID, EisaId ("PNP0B00"))
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x70, 0x70, 1, 2)
				Interrupt (ResourceConsumer, Edge, ActiveHigh, Exclusive) { 8 }
			})
		}

		Device (PVPN)
		{
			Name (_HID, "QEMU0001")
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x505, 0x505, 1, 1)
			})
		}

		Device (PWRB)
		{
			Name (_HID, EisaId ("PNP0C0C"))
		}

		Device (GED)
		{
			Name (_HID, "ACPI0013")
			Name (_CRS, ResourceTemplate ()
			{
				Interrupt (ResourceConsumer, Level, ActiveHigh, Exclusive) { 9 }
			})
			/* devices/acpi_ged.h: reading the events clears them. */
			OperationRegion (EVTS, SystemIO, 0x604, 1)
			Field (EVTS, ByteAcc, NoLock, Preserve)
			{
				EVNT, 8
			}
			Method (_EVT, 1, Serialized)
			{
				Local0 = EVNT
				If (Local0 & 1)
				{
					Notify (PWRB, 0x80)
				}
			}
		}

		/* virtio-mmio: slot n at 0xfeb10000 + n * 0x1000. */
		Device (VIO0)
		{
			Name (_HID, "LNRO0005")
			Name (_UID, 0)
			Name (_CRS, ResourceTemplate ()
			{
				Memory32Fixed (ReadWrite, 0xfeb10000, 0x200)
				Interrupt (ResourceConsumer, Level, ActiveHigh, Exclusive) { 5 }
			})
		}

		Device (VIO1)
		{
			Name (_HID, "LNRO0005")
			Name (_UID, 1)
			Name (_CRS, ResourceTemplate ()
			{
				Memory32Fixed (ReadWrite, 0xfeb11000, 0x200)
				Interrupt (ResourceConsumer, Level, ActiveHigh, Exclusive) { 6 }
			})
		}

		Device (VIO2)
		{
			Name (_HID, "LNRO0005")
			Name (_UID, 2)
			Name (_CRS, ResourceTemplate ()
			{
				Memory32Fixed (ReadWrite, 0xfeb12000, 0x200)
				Interrupt (ResourceConsumer, Level, ActiveHigh, Exclusive) { 7 }
			})
		}

		Device (VIO3)
		{
			Name (_HID, "LNRO0005")
			Name (_UID, 3)
			Name (_CRS, ResourceTemplate ()
			{
				Memory32Fixed (ReadWrite, 0xfeb13000, 0x200)
				Interrupt (ResourceConsumer, Level, ActiveHigh, Exclusive) { 10 }
			})
		}

		Device (VIO4)
		{
			Name (_HID, "LNRO0005")
			Name (_UID, 4)
			Name (_CRS, ResourceTemplate ()
			{
				Memory32Fixed (ReadWrite, 0xfeb14000, 0x200)
				Interrupt (ResourceConsumer, Level, ActiveHigh, Exclusive) { 11 }
			})
		}

		Device (VIO5)
		{
			Name (_HID, "LNRO0005")
			Name (_UID, 5)
			Name (_CRS, ResourceTemplate ()
			{
				Memory32Fixed (ReadWrite, 0xfeb15000, 0x200)
				Interrupt (ResourceConsumer, Level, ActiveHigh, Exclusive) { 12 }
			})
		}

		Device (VIO6)
		{
			Name (_HID, "LNRO0005")
			Name (_UID, 6)
			Name (_CRS, ResourceTemplate ()
			{
				Memory32Fixed (ReadWrite, 0xfeb16000, 0x200)
				Interrupt (ResourceConsumer, Level, ActiveHigh, Exclusive) { 20 }
			})
		}

		Device (VIO7)
		{
			Name (_HID, "LNRO0005")
			Name (_UID, 7)
			Name (_CRS, ResourceTemplate ()
			{
				Memory32Fixed (ReadWrite, 0xfeb17000, 0x200)
				Interrupt (ResourceConsumer, Level, ActiveHigh, Exclusive) { 21 }
			})
		}
	}
}
