(* Lemma 9: polygons whose directed edges cancel down to those of the window tile it. *)
From Coq Require Import Reals Lra Psatz ZArith List.
From Exactcam Require Import Plane Polygon.
Import ListNotations.
Open Scope R_scope.

Definition total (cells : list (list pt)) (p : pt) : Z :=
  fold_right (fun l s => (csum p (edges l) + s)%Z) 0%Z cells.
Definition counts (cells : list (list pt)) (p : pt) : Z :=
  fold_right (fun l s => (count l p + s)%Z) 0%Z cells.

Section tiling.
Variable W : list pt.
Variable cells : list (list pt).
Hypothesis W_conv : conv W.
Hypothesis W_sorted : sorted W.
Hypothesis C_conv : forall l, In l cells -> conv l.
Hypothesis cancels : forall p, total cells p = csum p (edges W).

Definition all_lines := lines W ++ flat_map lines cells.
Lemma all_proper : Forall proper all_lines.
Proof.
  unfold all_lines. apply Forall_app. split; [apply lines_proper, W_conv|].
  apply Forall_flat_map. apply Forall_forall. intros l I. apply lines_proper, C_conv, I.
Qed.
Definition generic p := Forall (fun f => ev f p <> 0) all_lines.
Lemma generic_near p e : 0 < e -> exists q, box p e q /\ generic q.
Proof.
  intros E. destruct (avoid all_lines all_proper p e E) as (q & d & D & I & J).
  exists q. split; [apply I, box_self, D | apply J, box_self, D].
Qed.
Lemma generic_W p : generic p -> off W p.
Proof. unfold generic, all_lines. rewrite Forall_app. intros [H _]. exact H. Qed.
Lemma generic_C p l : generic p -> In l cells -> off l p.
Proof.
  unfold generic, all_lines, off. rewrite Forall_app. intros [_ H] I.
  rewrite Forall_flat_map, Forall_forall in H. exact (H l I).
Qed.
Lemma generic_counts p : generic p -> counts cells p = count W p.
Proof.
  intros G. rewrite <- (count_csum W p W_conv (generic_W p G)), <- cancels.
  assert (X : forall ls, (forall l, In l ls -> In l cells) -> counts ls p = total ls p).
  { induction ls as [|l ls IH]; intros H; [reflexivity|]. simpl.
    rewrite IH by (intros; apply H; simpl; auto).
    rewrite (count_csum l p); [reflexivity | apply C_conv, H; simpl; auto | apply (generic_C p l G), H; simpl; auto]. }
  apply X. auto.
Qed.
Lemma count_nonneg l p : (0 <= count l p)%Z. Proof. apply fancnt_pos. Qed.
Lemma counts_nonneg ls p : (0 <= counts ls p)%Z.
Proof. induction ls as [|l ls IH]; simpl; [lia|]. pose proof (count_nonneg l p). lia. Qed.
Lemma counts_ge l p : In l cells -> (count l p <= counts cells p)%Z.
Proof.
  clear C_conv cancels. induction cells as [|x ls IH]; simpl; [tauto|]. pose proof (count_nonneg x p). pose proof (counts_nonneg ls p).
  intros [<-|I]; [lia | specialize (IH I); lia].
Qed.
Lemma counts_some ls p : (1 <= counts ls p)%Z -> exists l, In l ls /\ (1 <= count l p)%Z.
Proof.
  induction ls as [|x ls IH]; simpl; [lia|]. intros H. destruct (Z_le_gt_dec 1 (count x p)) as [K|K].
  - exists x; auto.
  - destruct IH as (l & I & L); [pose proof (count_nonneg x p); lia|]. exists l; auto.
Qed.

(* 1. no point is inside two cells *)
Theorem disjoint i j k l p : nth_error cells i = Some k -> nth_error cells j = Some l -> i <> j ->
  inside k p -> inside l p -> False.
Proof.
  intros K L N Ik Il.
  destruct (inside_open k p Ik) as (d & D & Nk). destruct (inside_open l p Il) as (d' & D' & Nl).
  destruct (generic_near p (Rmin d d')) as (q & B & G); [apply Rmin_glb_lt; assumption|].
  assert (Ck : (1 <= count k q)%Z).
  { apply count_inside; [apply C_conv; eapply nth_error_In; eassumption | eapply generic_C; [exact G|eapply nth_error_In; eassumption] |].
    apply Nk. eapply box_le; [apply Rmin_l | exact B]. }
  assert (Cl : (1 <= count l q)%Z).
  { apply count_inside; [apply C_conv; eapply nth_error_In; eassumption | eapply generic_C; [exact G|eapply nth_error_In; eassumption] |].
    apply Nl. eapply box_le; [apply Rmin_r | exact B]. }
  pose proof (generic_counts q G) as E. pose proof (count_window W q W_conv W_sorted) as U.
  assert (X : (count k q + count l q <= counts cells q)%Z).
  { clear - K L N. revert i j K L N. induction cells as [|x ls IH]; intros i j K L N; [destruct i; discriminate|].
    assert (Y : forall m z, nth_error ls m = Some z -> (count z q <= counts ls q)%Z).
    { clear. induction ls as [|x ls IH]; intros m z H; [destruct m; discriminate|].
      simpl. pose proof (count_nonneg x q). pose proof (counts_nonneg ls q).
      destruct m; simpl in H; [injection H as <-; lia | specialize (IH m z H); lia]. }
    simpl. pose proof (count_nonneg x q). destruct i, j; simpl in K, L.
    - congruence.
    - injection K as <-. specialize (Y _ _ L). lia.
    - injection L as <-. specialize (Y _ _ K). lia.
    - specialize (IH i j K L). assert (i <> j) by congruence. specialize (IH H0). lia. }
  lia.
Qed.
(* 2. cells are in the window *)
Theorem contained l p : In l cells -> inP l p -> inP W p.
Proof.
  intros I H. destruct (inP_dec (edges W) p) as [Q|Q]; [exact Q|]. exfalso.
  assert (NW : ~ inP W p). { intros J. destruct Q as (e & E & Le). specialize (J e E). lra. }
  destruct (outside_open W p NW) as (d & D & N).
  destruct (dense_inside l p (C_conv l I) H d D) as (q & B & J).
  destruct (inside_open l q J) as (d1 & D1 & N1). destruct (box_in p d q B) as (d2 & D2 & N2).
  destruct (generic_near q (Rmin d1 d2)) as (r & B' & G); [apply Rmin_glb_lt; assumption|].
  apply (N r); [apply N2; eapply box_le; [apply Rmin_r | exact B']|].
  apply count_closed; [exact W_conv|]. rewrite <- generic_counts by exact G.
  eapply Z.le_trans; [|apply counts_ge, I].
  apply count_inside; [apply C_conv, I | eapply generic_C; eassumption |].
  apply N1. eapply box_le; [apply Rmin_l | exact B'].
Qed.
(* 3. a point of the window off all lines is inside a cell; every point of it is in one *)
Lemma inP_list ls p : (exists l, In l ls /\ inP l p) \/
  (exists d, 0 < d /\ forall q, box p d q -> forall l, In l ls -> ~ inP l q).
Proof.
  induction ls as [|l ls [(k & I & H)|(d & D & N)]].
  - right; exists 1; split; [lra | simpl; tauto].
  - left; exists k; simpl; auto.
  - destruct (inP_dec (edges l) p) as [H|(e & E & L)]; [left; exists l; simpl; auto|].
    destruct (outside_open l p) as (d' & D' & N'). { intros J. specialize (J e E). lra. }
    right. exists (Rmin d d'). split; [apply Rmin_glb_lt; assumption|].
    intros q B k [<-|I]; [apply N'; eapply box_le; [apply Rmin_r | exact B]
                         | apply N; [eapply box_le; [apply Rmin_l | exact B] | exact I]].
Qed.
Theorem covered p : inP W p -> exists l, In l cells /\ inP l p.
Proof.
  intros H. destruct (inP_list cells p) as [X|(d & D & N)]; [exact X|]. exfalso.
  destruct (dense_inside W p W_conv H d D) as (q & B & J).
  destruct (inside_open W q J) as (d1 & D1 & N1). destruct (box_in p d q B) as (d2 & D2 & N2).
  destruct (generic_near q (Rmin d1 d2)) as (r & B' & G); [apply Rmin_glb_lt; assumption|].
  assert (K : (1 <= count W r)%Z).
  { apply count_inside; [exact W_conv | apply generic_W, G|]. apply N1. eapply box_le; [apply Rmin_l | exact B']. }
  rewrite <- generic_counts in K by exact G. apply counts_some in K. destruct K as (l & I & L).
  apply (N r) with l; [apply N2; eapply box_le; [apply Rmin_r | exact B'] | exact I | apply count_closed; [apply C_conv, I | exact L]].
Qed.
Theorem tiles p : inP W p <-> exists l, In l cells /\ inP l p.
Proof. split; [apply covered | intros (l & I & H); eapply contained; eassumption]. Qed.

(* every box that meets the window's inside has a small box inside one cell *)
Definition edge_lines := flat_map (fun l => map (fun e => line (fst e) (snd e)) (edges l)) cells.
Lemma edge_proper : Forall proper edge_lines.
Proof.
  apply Forall_flat_map, Forall_forall. intros l I. apply Forall_map, Forall_forall. intros e E.
  destruct (edge_strict l e (C_conv l I) E) as (c & _ & K). exists c. rewrite ev_line. lra.
Qed.
Theorem inner p e : 0 < e -> (forall q, box p e q -> inP W q) -> exists l q, In l cells /\ box p e q /\ inside l q.
Proof.
  intros E H. destruct (avoid edge_lines edge_proper p e E) as (q & d & D & I & J).
  assert (B : box p e q) by apply I, box_self, D.
  destruct (covered q (H q B)) as (l & L & K). exists l, q. repeat split; try assumption; try apply B.
  intros x X. specialize (K x X). specialize (J q (box_self q d D)). rewrite Forall_forall in J.
  specialize (J (line (fst x) (snd x))). rewrite ev_line in J.
  assert (orient (fst x) (snd x) q <> 0); [|lra]. apply J.
  unfold edge_lines. apply in_flat_map. exists l; split; [exact L|]. apply in_map_iff. exists x; auto.
Qed.
End tiling.
